// Y = Aᵀ M A for one tile, then what follows a convolution, while its outputs are in registers: the
// 2×2 max-pool, the bias and ReLU. The pool comes first because it is the same (rounding a sum, and
// ReLU, never change which of two values is the larger) and leaves a quarter of the work.

#include "kernels/cpu/vector.h"
#include "kernels/cpu/winograd.h"
#include "kernels/cpu/winograd_matrices.h"

namespace graft::cpu::GRAFT_ISA {

// y = Aᵀ q in one dimension: M + 2 values to M. Pairs of points ±a share their powers but for the
// sign.
template <std::size_t M>
static inline __attribute__((always_inline)) void transform(const Vector* q, Vector* y) {
  constexpr std::size_t n = M + 2;
  constexpr std::size_t pairs = (n - 2) / 2;
  constexpr WinogradMatrix matrix = winograd_evaluation_matrix(n, M);
  Vector sum[pairs], difference[pairs];
#pragma GCC unroll 4
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    sum[pair] = q[2 + 2 * pair] + q[3 + 2 * pair];
    difference[pair] = q[2 + 2 * pair] - q[3 + 2 * pair];
  }
#pragma GCC unroll 8
  for (std::size_t i = 0; i < M; ++i) {
    Vector value = i % 2 == 0 ? sum[0] : difference[0];
#pragma GCC unroll 4
    for (std::size_t pair = 1; pair < pairs; ++pair) {
      const Vector factor = broadcast(static_cast<float>(matrix.at[2 + 2 * pair][i]));
      value = multiply_add(factor, i % 2 == 0 ? sum[pair] : difference[pair], value);
    }
    if constexpr (n % 2 == 1) {  // the last point has no partner
      value = multiply_add(broadcast(static_cast<float>(matrix.at[n - 1][i])), q[n - 1], value);
    }
    if (i == 0) value = value + q[1];      // the point 0
    if (i == M - 1) value = value + q[0];  // the point ∞
    y[i] = value;
  }
}

// One register of channels of the tile, between the two passes.
struct Rows {
  Vector at[winograd_max_points][winograd_max_points];
};

template <std::size_t M>
static void down(const WinogradOutputTile& tile, std::size_t channel, Rows& rows) {
  for (std::size_t column = 0; column < tile.columns + 2; ++column) {
    Vector q[M + 2], y[M];
#pragma GCC unroll 8
    for (std::size_t row = 0; row < M + 2; ++row) {
      q[row] = load(tile.product[row * winograd_max_points + column] + channel);
    }
    transform<M>(q, y);
#pragma GCC unroll 8
    for (std::size_t row = 0; row < M; ++row) rows.at[row][column] = y[row];
  }
}

template <std::size_t M>
static void along(const WinogradOutputTile& tile, std::size_t channel, const Rows& rows) {
  const Vector bias = load(tile.bias + channel);
  for (std::size_t row = 0; row < tile.valid_rows; ++row) {
    Vector y[M];
    transform<M>(rows.at[row], y);
    float* target = tile.target + row * tile.row_stride + channel;
#pragma GCC unroll 8
    for (std::size_t column = 0; column < M; ++column) {
      if (column >= tile.valid_columns) break;
      store(target + column * tile.pixel_stride, rectify(y[column] + bias));
      __builtin_prefetch(target + column * tile.pixel_stride + tile.next, 1);
    }
  }
}

template <std::size_t M>
static void along_and_pool(const WinogradOutputTile& tile, std::size_t channel, const Rows& rows) {
  const Vector bias = load(tile.bias + channel);
  for (std::size_t row = 0; row < tile.valid_rows; row += 2) {
    Vector upper[M], lower[M];
    transform<M>(rows.at[row], upper);
    transform<M>(rows.at[row + 1], lower);
    float* target = tile.target + row / 2 * tile.row_stride + channel;
#pragma GCC unroll 4
    for (std::size_t column = 0; column < M; column += 2) {
      if (column >= tile.valid_columns) break;
      const Vector largest = maximum(maximum(upper[column], upper[column + 1]),
                                     maximum(lower[column], lower[column + 1]));
      store(target + column / 2 * tile.pixel_stride, rectify(largest + bias));
      __builtin_prefetch(target + column / 2 * tile.pixel_stride + tile.next, 1);
    }
  }
}

using Down = void (*)(const WinogradOutputTile&, std::size_t, Rows&);
using Along = void (*)(const WinogradOutputTile&, std::size_t, const Rows&);

static Down down_of(std::size_t m) {
  return m == 6 ? down<6> : m == 5 ? down<5> : m == 4 ? down<4> : m == 3 ? down<3> : down<2>;
}
static Along along_of(std::size_t m) {
  return m == 6 ? along<6> : m == 5 ? along<5> : m == 4 ? along<4> : m == 3 ? along<3> : along<2>;
}
static Along along_and_pool_of(std::size_t m) {
  return m == 6 ? along_and_pool<6> : m == 4 ? along_and_pool<4> : along_and_pool<2>;
}

void winograd_output(const WinogradOutputTile& tile) {
  const Down down_columns = down_of(tile.rows);
  const Along along_rows = tile.pooled ? along_and_pool_of(tile.columns) : along_of(tile.columns);
  // Every value is written before it is read; clearing 4 KiB for each tile would show.
  Rows rows;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (std::size_t channel = 0; channel < tile.channels; channel += Vector::width) {
    down_columns(tile, channel, rows);
    along_rows(tile, channel, rows);
  }
}

}  // namespace graft::cpu::GRAFT_ISA
