#pragma once
// The program on the virtual GPU, as a child process. The library is given to the child alone.

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/program/child.h"

namespace graft::test {

// What the virtual GPU wrote about a run.
struct VirtualGpuReport {
  std::map<std::string, long> calls;  // function → how often
  std::vector<std::string> errors;    // "kind: text": bad accesses, unwritten memory, leaks …
  std::vector<std::string> launches;  // the kernels, as they ran
  std::vector<std::size_t> moved;     // by each: bytes of the distinct sectors read and written
  std::vector<std::pair<std::size_t, std::size_t>> profiled;  // ranges of launches, [first, end)
  std::vector<int> used_devices;  // that had memory, streams or launches; ascending
};

struct CudaOutcome {
  Outcome outcome;
  VirtualGpuReport report;
};

// settings: VGPU_… variables beside those that choose the device.
CudaOutcome run_on_virtual_gpu(const std::vector<std::string>& arguments,
                               const std::map<std::string, std::string>& settings = {});

}  // namespace graft::test
