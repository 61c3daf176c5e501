// Packs a chunk of a batch: reads rows in order, while the next row comes from memory.

#include "kernels/cpu/pack_rows.h"

#include "kernels/cpu/dense_layout.h"
#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

// `lanes` of a line from `from`, then zeros.
static inline void copy_line(const float* from, std::size_t lanes, float* to) {
  for (std::size_t lane = 0; lane < line_inputs; lane += Vector::width) {
    const std::size_t left = lanes > lane ? lanes - lane : 0;
    const Vector value = left >= Vector::width ? load(from + lane) : load_first(from + lane, left);
    store(to + lane, value);
  }
}

void pack_rows(const float* const* values, std::size_t rows, std::size_t first, std::size_t count,
               float* packed) {
  const std::size_t full = count / line_inputs * line_inputs;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* row = values[r] + first;
    const float* next = r + 1 < rows ? values[r + 1] + first : row;
    float* to = packed + r * line_inputs;
    std::size_t i = 0;
    for (; i < full; i += line_inputs, to += rows * line_inputs) {
      __builtin_prefetch(next + i);
      copy_line(row + i, line_inputs, to);
    }
    if (i < count) copy_line(row + i, count - i, to);
  }
}

}  // namespace graft::cpu::GRAFT_ISA
