#pragma once
// The gradient of a Dense layer with respect to its inputs: delta·Wᵀ.

#include <cstddef>

namespace graft::cpu {

// gradient[r][k] = Σ delta[r][u]·kernel[k][u] over u, for k = first … first+count-1.
//   delta     rows × units
//   kernel    inputs × units, row-major, from its first row
//   gradient  rows × inputs, of which columns first … first+count-1 are written
// The sum runs in 16 lanes, lane j over u = j, j+16, …; the lanes are then added in halves
// (8, 4, 2, 1). It is the same on every vector unit, whatever its width.
// Reads count·units floats of the kernel once for every four rows.
using DenseBackwardInput = void(const float* delta, std::size_t rows, std::size_t units,
                                const float* kernel, std::size_t first, std::size_t count,
                                std::size_t inputs, float* gradient);

}  // namespace graft::cpu
