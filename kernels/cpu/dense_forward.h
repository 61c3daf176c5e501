#pragma once
// The product of a Dense layer, x·W, for one chunk of its inputs.
//
// A layer of 8192 inputs is summed in chunks of dense_chunk inputs, each from zero, and the chunks
// are added in order (sum_chunks.h). It bounds the rounding error of a sum by that of
// dense_chunk + 8192/dense_chunk terms, gives threads independent pieces, and makes the bytes of
// the result depend on neither the number of threads nor the rows that share a batch.

#include <cstddef>

namespace graft::cpu {

inline constexpr std::size_t dense_chunk = 256;

// sums[r][u] = Σ inputs[k][r]·kernel[k][u] over k = 0 … count-1, in that order, with one rounding
// for each term (portable: two).
//   inputs  count × rows (pack_rows.h)
//   kernel  count × units, row-major
//   sums    rows × units, written
// Reads the kernel once from memory, and again from the caches for every few rows.
using DenseForward = void(const float* inputs, std::size_t rows, std::size_t count,
                          const float* kernel, std::size_t units, float* sums);

}  // namespace graft::cpu
