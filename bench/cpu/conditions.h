#pragma once
// The CPUs that this process may run on: their clock, and their use by other processes.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "bench/harness/bench_device.h"

namespace graft::bench {

// Busy time since the system started, in seconds, summed over these CPUs. It includes steal time,
// which other tenants of the host use. Empty where /proc/stat has none.
std::optional<double> busy_seconds(const std::filesystem::path& proc);

class CpuConditions {
 public:
  // The paths of /proc and /sys.
  explicit CpuConditions(std::filesystem::path proc = "/proc", std::filesystem::path sys = "/sys");

  // other_processes: the number of CPUs that others kept busy since the previous call, rounded. The
  // system counts in hundredths of a second, so within 0.2 s the previous answer is repeated.
  Conditions now();

 private:
  const std::filesystem::path proc_, sys_;
  std::chrono::steady_clock::time_point since_;
  std::optional<double> busy_;
  double own_ = 0.0;
  std::optional<std::size_t> others_;
};

}  // namespace graft::bench
