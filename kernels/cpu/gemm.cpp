#include "kernels/cpu/gemm.h"

#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

// C's tile of `Rows` rows over one piece of the depth, stored or added. Only the number of rows
// differs between the instances: a tail of few rows costs few multiply-adds.
template <std::size_t Rows>
static void gemm_piece(std::size_t depth, const float* a, const float* b, float* c,
                       std::size_t c_stride, bool add) {
  constexpr std::size_t vectors = gemm_tile_columns / Vector::width;
  Vector sum[Rows][vectors];
#pragma GCC unroll 16
  for (std::size_t row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) sum[row][v] = zero();
  }
  for (std::size_t block = 0; block < depth; block += channel_block) {
#pragma GCC unroll 4
    for (std::size_t k = 0; k < channel_block; ++k) {
      // Weights stream through; the hardware's own prefetch stops at each page.
      for (std::size_t line = 0; line < gemm_tile_columns; line += 16) {
        __builtin_prefetch(b + 16 * gemm_tile_columns + line);
      }
      Vector right[vectors];
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) right[v] = load(b + v * Vector::width);
#pragma GCC unroll 16
      for (std::size_t row = 0; row < Rows; ++row) {
        const Vector left = broadcast(a[row * channel_block + k]);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < vectors; ++v) {
          sum[row][v] = multiply_add(left, right[v], sum[row][v]);
        }
      }
      b += gemm_tile_columns;
    }
    a += gemm_tile_rows * channel_block;
  }
#pragma GCC unroll 16
  for (std::size_t row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) {
      float* target = c + row * c_stride + v * Vector::width;
      store(target, add ? load(target) + sum[row][v] : sum[row][v]);
    }
  }
}

// C's tile over the whole depth.
template <std::size_t Rows>
static void gemm_tile(std::size_t depth, const float* a, const float* b, float* c,
                      std::size_t c_stride) {
  for (std::size_t k = 0; k < depth; k += gemm_chain) {
    gemm_piece<Rows>(depth - k < gemm_chain ? depth - k : gemm_chain, a + k * gemm_tile_rows,
                     b + k * gemm_tile_columns, c, c_stride, k != 0);
  }
}

using GemmTile = void (*)(std::size_t, const float*, const float*, float*, std::size_t);

// gemm_tile<rows>, for 1 ≤ rows ≤ Rows.
template <std::size_t Rows>
static GemmTile tile_of(std::size_t rows) {
  if constexpr (Rows == 1) {
    return gemm_tile<1>;
  } else {
    return rows == Rows ? gemm_tile<Rows> : tile_of<Rows - 1>(rows);
  }
}

// All rows meet one panel of B before the next one is taken: B, the weights, is the larger part and
// is read from memory once.
void gemm(const GemmArguments& g) {
  const std::size_t tail = g.rows % gemm_tile_rows;
  const std::size_t whole = g.rows - tail;
  const GemmTile tail_tile = tail == 0 ? nullptr : tile_of<gemm_tile_rows>(tail);
  for (std::size_t column = 0; column < g.columns; column += gemm_tile_columns) {
    const float* b = g.b + column * g.depth;
    float* c = g.c + column;
    for (std::size_t row = 0; row < whole; row += gemm_tile_rows) {
      gemm_tile<gemm_tile_rows>(g.depth, g.a + row * g.depth, b, c + row * g.c_stride, g.c_stride);
    }
    if (tail != 0) {
      tail_tile(g.depth, g.a + whole * g.depth, b, c + whole * g.c_stride, g.c_stride);
    }
  }
}

}  // namespace graft::cpu::GRAFT_ISA
