#pragma once
// The end of a Dense layer's product: the chunks of dense_forward.h, added in order, and the bias.

#include <cstddef>

namespace graft::cpu {

// values[u] = (…(sums[0][u] + sums[1][u]) + …) + bias[u] for one row.
//   sums    chunks ≥ 1 pieces of `units` floats, the next `stride` floats after the one before
//   values  units floats, written; may be sums[0]
// Reads 4·units·(chunks + 1) bytes and writes 4·units.
using SumChunks = void(const float* sums, std::size_t chunks, std::size_t stride, const float* bias,
                       std::size_t units, float* values);

}  // namespace graft::cpu
