#pragma once
// ReLU and inverted dropout of a hidden layer, in place, and its backward pass.
// Source: Srivastava et al. 2014; scaled in training by 1/(1 - rate), as Keras does.
//
// The mask is a pure function of the stream and the element's index, and is stored nowhere: what
// the backward pass needs of it stands in the layer's output, which is above zero exactly where the
// value was both kept and above zero.

#include <cstddef>
#include <cstdint>

#include "kernels/philox.h"

namespace graft::cpu {

struct Dropout {
  RandomStream stream;      // {seed, RandomPurpose::dropout, layer, step}
  std::uint32_t threshold;  // a value is kept when the top 24 bits of its word reach it; 0: all are
  float scale;              // 1 / (1 - rate)
};

// The threshold that keeps what has uniform_from_word(word) ≥ rate, exactly. 0 ≤ rate < 1.
std::uint32_t dropout_threshold(double rate);

// values[i] = max(values[i], 0)·scale where element first + i is kept, else 0. A kept NaN stays
// NaN. Element (row, unit) of a batch has index row·units + unit. Moves 8 bytes per element.
using ReluDropout = void(float* values, std::size_t count, std::uint64_t first,
                         const Dropout& dropout);

// gradient[i] = gradient[i]·scale where outputs[i] > 0 or is NaN, else 0. Moves 12 bytes per
// element.
using ReluDropoutBackward = void(float* gradient, const float* outputs, std::size_t count,
                                 float scale);

}  // namespace graft::cpu
