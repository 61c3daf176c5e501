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

}  // namespace graft::cpu
