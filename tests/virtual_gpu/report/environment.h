#pragma once
// The settings of a run, read once from the environment. README.md lists them.

#include <cstdint>
#include <string>

namespace vgpu {

struct Environment {
  std::uint64_t memory = std::uint64_t{24} << 30U;  // VGPU_MEMORY: "24GiB", "512MiB" or bytes
  int architecture = 80;                            // VGPU_ARCH: "sm_80" or "80"
  int driver = 13000;                               // VGPU_DRIVER: version that the driver reports
  int devices = 1;                                  // VGPU_DEVICES
  std::uint64_t seed = 0;                           // VGPU_SEED: order of streams; 0 is the laziest
  int threads = 2;                                  // VGPU_THREADS: host threads for one launch
  std::string fail;                                 // VGPU_FAIL: faults.h
  std::string report;                               // VGPU_REPORT: path of the JSON report
  int exit_code = 86;                               // VGPU_EXIT: exit code after errors; 0 keeps it
  bool quiet = false;                               // VGPU_QUIET=1: no errors on stderr
  std::uint64_t max_instructions = std::uint64_t{1} << 33U;  // VGPU_MAX_INSTRUCTIONS of a warp
  std::uint64_t queue = 1000;  // VGPU_QUEUE: entries of a stream's queue; 0: without a limit
  std::string serialise;       // VGPU_SERIALISE: a profiled kernel, or part of its name; "*": all
};

const Environment& environment();

}  // namespace vgpu
