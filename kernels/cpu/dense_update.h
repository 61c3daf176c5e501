#pragma once
// The weight gradient of a Dense layer and its RMSprop update, in one pass over the weights. The
// gradient exists a register tile at a time: no matrix of it is written.

#include <cstddef>

#include "kernels/cpu/dense_layout.h"
#include "kernels/rmsprop.h"

namespace graft::cpu {

// For the inputs k = 0 … count-1 of a chunk: g[k][u] = Σ x[r][k]·delta[r][u] over r = 0 … rows-1,
// in that order; then RMSprop with g on W[k][u] and mean_square[k][u].
struct DenseUpdateArguments {
  const float* packed;  // rows × count: dense_layout.h
  const float* delta;   // rows × units: the loss's gradient with respect to the layer's product
  std::size_t rows;
  std::size_t count;
  std::size_t units;
  float* kernel;       // the chunk, count × units: dense_layout.h; updated
  float* mean_square;  // the same layout; updated
};
// Moves 16 bytes per weight: both arrays are read and written once.
using DenseUpdate = void(const DenseUpdateArguments& arguments, const Rmsprop& rmsprop);

// The bias gradient, the column sums of delta, and its update: g[u] = Σ delta[r][u] over r = 0 … rows-1, in that order; then RMSprop with g on bias[u] and
// mean_square[u]. delta: rows × units. Reads 4·rows·units bytes and moves 16 per unit.
using BiasUpdate = void(const float* delta, std::size_t rows, std::size_t units,
                        const Rmsprop& rmsprop, float* bias, float* mean_square);

}  // namespace graft::cpu
