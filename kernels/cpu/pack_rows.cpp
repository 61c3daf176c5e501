// Packs a chunk of a batch: reads rows in order, while the next row comes from memory.

#include "kernels/cpu/pack_rows.h"

namespace graft::cpu::GRAFT_ISA {

extern PackRows pack_rows;

static constexpr std::size_t line = 16;  // floats in a cache line

void pack_rows(const float* const* values, std::size_t rows, std::size_t first, std::size_t count,
               float* packed) {
  for (std::size_t r = 0; r < rows; ++r) {
    if (r + 1 < rows) {
      for (std::size_t k = 0; k < count; k += line) __builtin_prefetch(values[r + 1] + first + k);
    }
    const float* row = values[r] + first;
    for (std::size_t k = 0; k < count; ++k) packed[k * rows + r] = row[k];
  }
}

}  // namespace graft::cpu::GRAFT_ISA
