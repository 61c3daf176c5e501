// Packs a chunk of a batch: reads rows in order, while the next row comes from memory.

#include "kernels/cpu/pack_rows.h"

#include "kernels/cpu/dense_layout.h"
#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

static inline Vector load_at_most(const float* from, std::size_t count) {
  return count >= Vector::width ? load(from) : load_first(from, count);
}

// `lanes` of a line from row[column], normalised where `scale` is not null, then zeros.
static inline void pack_line(const float* row, const float* mean, const float* scale,
                             std::size_t column, std::size_t lanes, float* to) {
  for (std::size_t lane = 0; lane < line_inputs; lane += Vector::width) {
    const std::size_t left = lanes > lane ? lanes - lane : 0;
    const std::size_t at = column + lane;
    Vector value = load_at_most(row + at, left);
    if (scale != nullptr) {
      value = (value - load_at_most(mean + at, left)) * load_at_most(scale + at, left);
    }
    store(to + lane, value);
  }
}

void pack_rows(const float* const* values, std::size_t rows, std::size_t first, std::size_t count,
               const float* mean, const float* scale, float* packed) {
  const std::size_t full = count / line_inputs * line_inputs;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* row = values[r];
    const float* next = r + 1 < rows ? values[r + 1] : row;
    float* to = packed + r * line_inputs;
    std::size_t i = 0;
    for (; i < full; i += line_inputs, to += rows * line_inputs) {
      __builtin_prefetch(next + first + i);
      pack_line(row, mean, scale, first + i, line_inputs, to);
    }
    if (i < count) pack_line(row, mean, scale, first + i, count - i, to);
  }
}

}  // namespace graft::cpu::GRAFT_ISA
