#pragma once
// The weight gradient of a Dense layer and its RMSprop update, in one pass over the weights. The
// gradient exists a register tile at a time and is never written.

#include <cstddef>

#include "kernels/cpu/rmsprop.h"

namespace graft::cpu {

// g[k][u] = Σ inputs[k][r]·delta[r][u] over r = 0 … rows-1, in that order; then RMSprop with g on
// kernel[k][u] and mean_square[k][u], for k = 0 … count-1.
//   inputs               count × rows (pack_rows.h)
//   delta                rows × units: the loss's gradient with respect to the layer's product
//   kernel, mean_square  count × units, row-major; updated
// Moves 16 bytes per weight: both arrays are read and written once.
using DenseUpdate = void(const float* inputs, const float* delta, std::size_t rows,
                         std::size_t count, std::size_t units, const Rmsprop& rmsprop,
                         float* kernel, float* mean_square);

}  // namespace graft::cpu
