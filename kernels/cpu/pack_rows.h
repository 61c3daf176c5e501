#pragma once
// Packs rows of values that lie anywhere in memory into the lines of dense_layout.h.

#include <cstddef>

namespace graft::cpu {

// packed[packed_index(rows, r, i)] = v for i = 0 … count-1; what is left of the last lines is 0.
// v = values[r][first + i], or (values[r][first + i] - mean[first + i]) · scale[first + i], rounded
// twice.
//   values       rows pointers, each to a row of at least first + count values
//   mean, scale  of each column; both null: the values as they are
//   packed       packed_size(rows, count), written
// Moves 8 bytes per element; mean and scale of a chunk stay in the level-1 cache.
using PackRows = void(const float* const* values, std::size_t rows, std::size_t first,
                      std::size_t count, const float* mean, const float* scale, float* packed);

}  // namespace graft::cpu
