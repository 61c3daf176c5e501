#pragma once
// A Tracer that sums the time of spans by name.

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/harness/case.h"
#include "engine/base/trace.h"

namespace graft::bench {

// Only spans without inner spans count. Spans that run at once on several threads all count in
// full.
class StageTimes final : public Tracer {
 public:
  void name_thread(const std::string&) override {}
  // Out of memory ends the program (noexcept): without this span the nesting would be wrong.
  void begin(const char* name, std::uint64_t) noexcept override {
    const std::lock_guard lock(mutex_);
    std::vector<Open>& open = open_[std::this_thread::get_id()];
    if (!open.empty()) open.back().has_parts = true;
    open.push_back({name, Steady::now()});
  }
  void end() noexcept override {
    const Steady::time_point now = Steady::now();
    const std::lock_guard lock(mutex_);
    std::vector<Open>& open = open_[std::this_thread::get_id()];
    const Open last = open.back();
    open.pop_back();
    if (!last.has_parts)
      seconds_[last.name] += std::chrono::duration<double>(now - last.since).count();
  }

  // Of the spans that have ended, by name, as shares of `seconds`.
  StageShares shares_of(double seconds) const {
    const std::lock_guard lock(mutex_);
    StageShares shares(seconds_.begin(), seconds_.end());
    for (auto& [name, share] : shares) share /= seconds;
    return shares;
  }

 private:
  using Steady = std::chrono::steady_clock;
  struct Open {
    const char* name = nullptr;
    Steady::time_point since = {};
    bool has_parts = false;
  };

  mutable std::mutex mutex_;  // guards all below
  std::map<std::thread::id, std::vector<Open>> open_;
  std::map<std::string, double> seconds_;
};

}  // namespace graft::bench
