#pragma once
// Integers rounded up. Not for kernels, which include no inline functions (vector.h).

#include <cstddef>

namespace graft::cpu {

constexpr std::size_t divide_up(std::size_t value, std::size_t by) {
  return (value + by - 1) / by;
}

// The next multiple of `step`.
constexpr std::size_t round_up(std::size_t value, std::size_t step) {
  return divide_up(value, step) * step;
}

}  // namespace graft::cpu
