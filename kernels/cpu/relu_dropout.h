#pragma once
// ReLU and inverted dropout (kernels/dropout.h) of a hidden layer, in place, and its backward pass.
//
// The mask is not stored. The layer's output is above zero exactly where the value was kept and
// above zero: the backward pass reads the output.

#include <cstddef>

#include "kernels/dropout.h"

namespace graft::cpu {

// values[i] = max(values[i], 0)·scale where element first + i is kept, else 0. A kept NaN stays
// NaN. Moves 8 bytes per element.
using ReluDropout = void(float* values, std::size_t count, std::uint64_t first,
                         const Dropout& dropout);

// gradient[i] = gradient[i]·scale where outputs[i] > 0 or is NaN, else 0. Moves 12 bytes per
// element.
using ReluDropoutBackward = void(float* gradient, const float* outputs, std::size_t count,
                                 float scale);

}  // namespace graft::cpu
