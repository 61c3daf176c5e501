#pragma once
// Turns rows of values that lie anywhere in memory into a matrix with one row per input, the order
// in which the kernels of a Dense layer read a batch. Rows of 8192 floats are a multiple of 4 KiB
// apart, so that the same element of all of them falls into one set of the level-1 cache; packed,
// the elements of a batch share a cache line.

#include <cstddef>

namespace graft::cpu {

// packed[(k - first)·rows + r] = values[r][k] for k = first … first+count-1.
//   values  rows pointers, each to a row of at least first + count values
//   packed  count × rows, written
// Moves 8 bytes per element.
using PackRows = void(const float* const* values, std::size_t rows, std::size_t first,
                      std::size_t count, float* packed);

}  // namespace graft::cpu
