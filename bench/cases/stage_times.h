#pragma once
// A Tracer that sums the time of spans by name.

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/trace.h"

namespace graft::bench {

// Only spans without inner spans count. Spans that run at once on several threads all count in
// full.
class StageTimes final : public Tracer {
 public:
  void name_thread(const std::string&) override {}
  void begin(const char* name, std::uint64_t number) noexcept override;
  void end() noexcept override;

  // Seconds by name of the spans that began and ended since the last clear().
  std::vector<std::pair<std::string, double>> seconds() const;
  void clear();

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
