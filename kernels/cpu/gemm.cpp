#include "kernels/cpu/gemm.h"

#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

// How many blocks of 16 steps A is asked for before it is used: memory answers after a few hundred
// cycles.
static constexpr std::size_t prefetch_blocks = 4;

// Lines of a cache that 16 rows of a panel of B take.
static constexpr std::size_t block_lines = gemm_tile_columns * channel_block / 16;

// A part of the panel of B that comes next, asked for while the present one is used, so that memory
// is read all the time and not in bursts at the start of each panel.
struct NextPanel {
  const float* first;  // the share of one register tile: the first of `lines` lines …
  std::size_t lines;   // … in each 16 rows
};

// C's tile of `Rows` rows over one piece of the depth, stored or added. Only the number of rows
// differs between the instances: a tail of few rows costs few multiply-adds.
template <std::size_t Rows>
static void gemm_piece(std::size_t depth, const float* a, const float* b, NextPanel next, float* c,
                       std::size_t c_stride, bool add) {
  constexpr std::size_t vectors = gemm_tile_columns / Vector::width;
  Vector sum[Rows][vectors];
#pragma GCC unroll 16
  for (std::size_t row = 0; row < Rows; ++row) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) sum[row][v] = zero();
  }
  for (std::size_t block = 0; block < depth; block += channel_block) {
#pragma GCC unroll 16
    for (std::size_t row = 0; row < Rows; ++row) {
      __builtin_prefetch(a + (prefetch_blocks * gemm_tile_rows + row) * channel_block);
    }
    for (std::size_t line = 0; line < next.lines; ++line) {
      __builtin_prefetch(next.first + line * 16, 0, 2);
    }
    next.first += block_lines * 16;
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

// C's tile over the full depth.
template <std::size_t Rows>
static void gemm_tile(std::size_t depth, const float* a, const float* b, NextPanel next, float* c,
                      std::size_t c_stride) {
  for (std::size_t k = 0; k < depth; k += gemm_chain) {
    gemm_piece<Rows>(depth - k < gemm_chain ? depth - k : gemm_chain, a + k * gemm_tile_rows,
                     b + k * gemm_tile_columns, {next.first + k * gemm_tile_columns, next.lines}, c,
                     c_stride, k != 0);
  }
}

using GemmTile = void (*)(std::size_t, const float*, const float*, NextPanel, float*, std::size_t);

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
  if (g.rows == 0) return;
  const std::size_t tail = g.rows % gemm_tile_rows;
  const std::size_t full = g.rows - tail;
  const GemmTile tail_tile = tail == 0 ? nullptr : tile_of<gemm_tile_rows>(tail);
  const std::size_t tiles = (g.rows + gemm_tile_rows - 1) / gemm_tile_rows;
  const std::size_t share = (block_lines + tiles - 1) / tiles;
  for (std::size_t column = 0; column < g.columns; column += gemm_tile_columns) {
    const float* b = g.b + column * g.depth;
    const bool last = column + gemm_tile_columns >= g.columns;
    NextPanel next{last ? g.next_b : b + gemm_tile_columns * g.depth, share};
    float* c = g.c + column;
    for (std::size_t row = 0; row < full; row += gemm_tile_rows) {
      gemm_tile<gemm_tile_rows>(g.depth, g.a + row * g.depth, b, next, c + row * g.c_stride,
                                g.c_stride);
      next.first += share * 16;
    }
    if (tail != 0) {
      tail_tile(g.depth, g.a + full * g.depth, b, next, c + full * g.c_stride, g.c_stride);
    }
  }
}

}  // namespace graft::cpu::GRAFT_ISA
