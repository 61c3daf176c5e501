#pragma once
// Bytes that a launch must read from and write to the device's memory, each once. Each launcher's
// header has a function for them: the tests on the virtual GPU, the benchmarks, the traces and the
// forecasts use that one formula.

#include <cstddef>

namespace graft::cuda {

struct MovedBytes {
  std::size_t read = 0, written = 0;
  constexpr std::size_t total() const { return read + written; }
};

}  // namespace graft::cuda
