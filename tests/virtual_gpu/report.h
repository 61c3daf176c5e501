#pragma once
// What a run found: errors (each kept once per place, with a count; leaks are errors), one record
// per launch, and how often each function of the API was called. Written as JSON to the file named
// by VGPU_REPORT; errors also go to stderr as they are found.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace vgpu {

struct Dim3 {
  std::uint32_t x = 1, y = 1, z = 1;
  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
};

// Sums over the warps of one launch. A sector is 32 bytes of global memory.
struct Counters {
  std::uint64_t warp_instructions = 0;
  std::uint64_t thread_instructions = 0;
  std::uint64_t sectors_loaded = 0;          // distinct within each warp access, summed
  std::uint64_t sectors_loaded_minimum = 0;  // that the distinct bytes of each access would fill
  std::uint64_t sectors_stored = 0;
  std::uint64_t sectors_stored_minimum = 0;
  std::uint64_t distinct_sectors_read = 0;  // over the whole launch: what an ideal cache would move
  std::uint64_t distinct_sectors_written = 0;
  std::uint64_t shared_accesses = 0;    // warp accesses
  std::uint64_t shared_wavefronts = 0;  // passes that their bank conflicts make of them
  std::uint64_t shared_wavefronts_minimum = 0;

  void add(const Counters& other);
};

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
  std::vector<FoundError> errors() const;
  std::vector<LaunchRecord> launches() const;
  void clear_errors();
  void clear_launches();
  std::string json() const;
  void write() const;  // to VGPU_REPORT, if set

 private:
  Report() = default;
  mutable std::mutex mutex_;
  std::vector<FoundError> errors_;
  std::vector<LaunchRecord> launches_;
  std::vector<ProfiledLaunches> profiled_;
};

}  // namespace vgpu
