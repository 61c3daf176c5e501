#pragma once
// Packs rows of values that lie anywhere in memory into the lines of dense_layout.h.

#include <cstddef>

namespace graft::cpu {

// packed[packed_index(rows, r, i)] = values[r][first + i] for i = 0 … count-1; what is left of the
// last lines is 0.
//   values  rows pointers, each to a row of at least first + count values
//   packed  packed_size(rows, count), written
// Moves 8 bytes per element.
using PackRows = void(const float* const* values, std::size_t rows, std::size_t first,
                      std::size_t count, float* packed);

}  // namespace graft::cpu
