#pragma once
// The bias gradient of a Dense layer (the column sums of delta) and its RMSprop update.

#include <cstddef>

#include "kernels/rmsprop.h"

namespace graft::cpu {

// g[u] = Σ delta[r][u] over r = 0 … rows-1, in that order; then RMSprop with g on bias[u] and
// mean_square[u]. delta: rows × units. Reads 4·rows·units bytes and moves 16 per unit.
using BiasUpdate = void(const float* delta, std::size_t rows, std::size_t units,
                        const Rmsprop& rmsprop, float* bias, float* mean_square);

}  // namespace graft::cpu
