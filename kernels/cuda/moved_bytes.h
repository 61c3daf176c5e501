#pragma once
// What a launch moves: the bytes that it must read from and write to the device's memory, each
// once. Beside each launcher stands the function that says so; its header, the tests on the virtual
// GPU, the benchmarks and the plans use that one formula.

#include <cstddef>

namespace graft::cuda {

struct MovedBytes {
  std::size_t read = 0, written = 0;
  constexpr std::size_t total() const { return read + written; }
};

}  // namespace graft::cuda
