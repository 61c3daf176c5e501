#pragma once
// The gradient of a Dense layer with respect to its inputs: delta·Wᵀ.

#include <cstddef>

namespace graft::cpu {

// gradient[r·stride + k] = Σ delta[r][u]·W[k][u] over u, for the inputs k = 0 … count-1 of a chunk.
//   delta     rows × units
//   kernel    the chunk, count × units: dense_layout.h
//   gradient  rows of count values, the next `stride` floats after the one before; written
// The sum runs in 16 lanes, lane j over u = j, j+16, …; the lanes are then added in halves
// (8, 4, 2, 1). It is the same on every vector unit, whatever its width.
// Reads the kernel once for every four rows.
using DenseBackwardInput = void(const float* delta, std::size_t rows, std::size_t units,
                                const float* kernel, std::size_t count, float* gradient,
                                std::size_t stride);

}  // namespace graft::cpu
