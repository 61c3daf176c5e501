#pragma once
// Inverted dropout's mask, on the CPU and on the GPU.
// Source: Srivastava et al. 2014; scaled in training by 1/(1 - rate), as Keras does.
//
// The mask is a pure function of the stream and the element's index. Element (row, unit) of a batch
// has index row·units + unit.

#include "kernels/philox.h"

namespace graft {

struct Dropout {
  RandomStream stream;      // {seed, RandomPurpose::dropout, layer, step}
  std::uint32_t threshold;  // keep a value whose word's top 24 bits reach it; 0 keeps all
  float scale;              // 1 / (1 - rate)
};

// Keeps exactly the values with uniform_from_word(word) ≥ rate. 0 ≤ rate < 1.
GRAFT_HOST_DEVICE std::uint32_t dropout_threshold(double rate) {
  const double scaled = rate * 16777216.0;  // a uniform value is an integer times 2^-24
  const auto floor = static_cast<std::uint32_t>(scaled);
  return floor < scaled ? floor + 1 : floor;
}

}  // namespace graft
