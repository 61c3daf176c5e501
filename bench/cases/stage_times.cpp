#include "bench/cases/stage_times.h"

namespace graft::bench {

// Out of memory ends the program (noexcept): without this span the nesting would be wrong.
void StageTimes::begin(const char* name, std::uint64_t) noexcept {
  const std::lock_guard lock(mutex_);
  std::vector<Open>& open = open_[std::this_thread::get_id()];
  if (!open.empty()) open.back().has_parts = true;
  open.push_back({name, Steady::now()});
}

void StageTimes::end() noexcept {
  const Steady::time_point now = Steady::now();
  const std::lock_guard lock(mutex_);
  std::vector<Open>& open = open_[std::this_thread::get_id()];
  if (open.empty()) return;  // it began before the last clear()
  const Open last = open.back();
  open.pop_back();
  if (!last.has_parts)
    seconds_[last.name] += std::chrono::duration<double>(now - last.since).count();
}

std::vector<std::pair<std::string, double>> StageTimes::seconds() const {
  const std::lock_guard lock(mutex_);
  return {seconds_.begin(), seconds_.end()};
}

void StageTimes::clear() {
  const std::lock_guard lock(mutex_);
  open_.clear();
  seconds_.clear();
}

}  // namespace graft::bench
