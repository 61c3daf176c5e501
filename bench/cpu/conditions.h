#pragma once
// The processors that this process may run on, at one moment: their clock, and what others do there.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "bench/harness/bench_device.h"

namespace graft::bench {

// Busy time of processors since the system began, in seconds, all together; their steal time (a
// virtual machine's neighbours) counts. Nothing where /proc/stat does not tell.
std::optional<double> busy_seconds(const std::filesystem::path& proc);

class CpuConditions {
 public:
  // `proc` and `sys` are where /proc and /sys are looked for.
  explicit CpuConditions(std::filesystem::path proc = "/proc", std::filesystem::path sys = "/sys");

  // other_processes: as many as would keep so many processors busy as others did since the call
  // before, rounded: the system counts in hundredths of a second, so a window shorter than .2
  // seconds repeats the last answer.
  Conditions now();

 private:
  const std::filesystem::path proc_, sys_;
  std::chrono::steady_clock::time_point since_;
  std::optional<double> busy_;
  double own_ = 0.0;
  std::optional<std::size_t> others_;
};

}  // namespace graft::bench
