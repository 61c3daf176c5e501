// The integer form of a dropout rate.

#include <cmath>

#include "kernels/cpu/relu_dropout.h"

namespace graft::cpu {

std::uint32_t dropout_threshold(double rate) {
  // A uniform value is a whole number of 2^-24; both sides of value ≥ rate are scaled by 2^24.
  return static_cast<std::uint32_t>(std::ceil(rate * 16777216.0));
}

}  // namespace graft::cpu
