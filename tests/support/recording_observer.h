#pragma once
// An observer that records its calls.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/observer.h"

namespace graft::test {

class RecordingObserver final : public Observer {
 public:
  void begin(std::string_view stage, std::size_t total, std::string_view unit) override;
  void advance(std::size_t done_in_all) override;
  void end() override;
  void note(std::string_view sentence) override { notes.emplace_back(sentence); }
  void warn(std::string_view sentence) override { warnings.emplace_back(sentence); }
  void row(std::string_view line) override { rows.emplace_back(line); }

  std::string all_notes() const;

  std::vector<std::string> stages, notes, warnings, rows;
  std::vector<std::size_t> advances;                 // of all stages
  std::function<void(std::size_t)> on_advance = {};  // called after it is recorded
  // Of the last stage:
  std::string unit;
  std::size_t total = 0;
  std::size_t done = 0;
  bool in_stage = false;
  bool misused = false;  // nested stages, progress outside one, backwards or beyond the total
};

}  // namespace graft::test
