#include "tests/support/recording_observer.h"

namespace graft::test {

void RecordingObserver::begin(std::string_view stage, std::size_t all, std::string_view of) {
  misused = misused || in_stage;
  stages.emplace_back(stage);
  in_stage = true;
  unit = of;
  done = 0;
  total = all;
}

void RecordingObserver::advance(std::size_t done_in_all) {
  misused = misused || !in_stage || done_in_all < done || done_in_all > total;
  done = done_in_all;
  advances.push_back(done);
  if (on_advance) on_advance(done);
}

void RecordingObserver::end() {
  misused = misused || !in_stage;
  in_stage = false;
}

std::string RecordingObserver::all_notes() const {
  std::string all;
  for (const std::string& one : notes) all += one + "\n";
  return all;
}

}  // namespace graft::test
