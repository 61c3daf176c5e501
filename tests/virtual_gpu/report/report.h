#pragma once
// What a run found: errors (each kept once per place, with a count; leaks are errors), one record per
// launch, and how often each function of the API was called. Written as JSON to the file VGPU_REPORT;
// errors also go to stderr as they are found.

#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vgpu.h"

namespace vgpu {

struct Dim3 {
  std::uint32_t x = 1, y = 1, z = 1;
  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
};

using Counters = VgpuCounters;
void add(Counters& sum, const Counters& more);

struct LaunchRecord {
  std::string kernel;
  Dim3 grid, block;
  std::uint64_t shared_bytes = 0;
  Counters counters;
};

// Of the launches that had run: those between cudaProfilerStart and cudaProfilerStop.
struct ProfiledLaunches {
  std::size_t first = 0;
  std::optional<std::size_t> end;  // one past the last; none: still on
};

struct FoundError {
  std::string kind;    // "out_of_bounds", "shared_race" …
  std::string kernel;  // empty for API errors
  std::uint32_t line = 0;
  std::string text;  // the first occurrence
  std::uint64_t count = 0;
};

// "_Z4axpyPfPKffi" → "axpy(float*, float const*, float, int)"
std::string readable(const std::string& mangled);

class Report {
 public:
  static Report& instance();

  void error(const std::string& kind, const std::string& kernel, std::uint32_t line,
             const std::string& text);
  void launch(LaunchRecord record);
  void profiler(bool is_on);
  void use_device(int number);
  std::vector<FoundError> errors() const;
  std::optional<Counters> last_launch(const std::string& part_of_name) const;
  void clear_errors();
  bool write(const std::string& path) const;  // JSON; false where the file cannot be written

 private:
  Report() = default;
  mutable std::mutex mutex_;
  std::vector<FoundError> errors_;
  std::vector<LaunchRecord> launches_;
  std::vector<ProfiledLaunches> profiled_;
  std::set<int> used_devices_;
};

}  // namespace vgpu
