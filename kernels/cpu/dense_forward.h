#pragma once
// The product of a Dense layer, x·W, for one chunk of its inputs.
//
// A layer of 8192 inputs is summed in chunks of dense_chunk inputs, each from zero, and the chunks
// are added in order: at once (`add`), or by sum_chunks.h when threads make them side by side. It
// bounds the rounding error of a sum by that of dense_chunk + 8192/dense_chunk terms, gives threads
// independent pieces, and makes the bytes of the result depend on neither the number of threads nor
// the rows that share a batch.

#include <cstddef>

#include "kernels/cpu/dense_layout.h"

namespace graft::cpu {

// With s = Σ x[r][k]·W[k][u] over the chunk's inputs k = 0 … count-1, from zero, in that order,
// with one rounding for each term (portable: two): sums[r][u] = s, or sums[r][u] + s when `add`.
struct DenseForwardArguments {
  const float* packed;  // rows × count: dense_layout.h
  std::size_t rows;     // any, 0 too
  std::size_t count;
  const float* kernel;  // the chunk, count × units: dense_layout.h
  std::size_t units;
  float* sums;  // rows × units, row-major
  bool add;
};
// Reads the kernel once from memory, and again from the caches for every few rows.
using DenseForward = void(const DenseForwardArguments& arguments);

}  // namespace graft::cpu
