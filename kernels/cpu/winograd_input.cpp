// V = Bᵀ d B for one tile: Bᵀ down each column, then along each row, 16 channels after 16 channels.

#include "kernels/cpu/vector.h"
#include "kernels/cpu/winograd.h"
#include "kernels/cpu/winograd_matrices.h"

namespace graft::cpu::GRAFT_ISA {

// Σ Bᵀ[p][k]·d[k] over k = first, first + step, …; 0 coefficients cost nothing.
template <std::size_t M>
static inline __attribute__((always_inline)) Vector dot(std::size_t p, std::size_t first,
                                                        std::size_t step, const Vector* d) {
  constexpr std::size_t n = M + 2;
  constexpr WinogradMatrix matrix = winograd_input_matrix(n);
  Vector sum = zero();
  bool started = false;
#pragma GCC unroll 8
  for (std::size_t k = first; k < n; k += step) {
    const double coefficient = matrix.at[p][k];
    if (coefficient == 0) continue;
    const Vector factor = broadcast(static_cast<float>(coefficient));
    sum = !started ? (coefficient == 1 ? d[k] : factor * d[k]) : multiply_add(factor, d[k], sum);
    started = true;
  }
  return sum;
}

// v = Bᵀ d, in one dimension.
template <std::size_t M>
static inline __attribute__((always_inline)) void transform(const Vector* d, Vector* v) {
  constexpr std::size_t n = M + 2;
  if constexpr (n % 2 == 0) {
    v[0] = dot<M>(0, 1, 2, d);
    v[1] = dot<M>(1, 0, 2, d);
#pragma GCC unroll 4
    for (std::size_t pair = 2; pair < n; pair += 2) {
      const Vector even = dot<M>(pair, 0, 2, d);
      const Vector odd = dot<M>(pair, 1, 2, d);
      v[pair] = even + odd;
      v[pair + 1] = even - odd;
    }
  } else {
#pragma GCC unroll 8
    for (std::size_t p = 0; p < n; ++p) v[p] = dot<M>(p, 0, 1, d);
  }
}

// One register of channels of the tile, between the two passes.
struct Columns {
  Vector at[winograd_max_points][winograd_max_points];
};

template <std::size_t M>
static void down(const WinogradInputTile& tile, std::size_t channel, Columns& columns) {
  for (std::size_t column = 0; column < tile.columns + 2; ++column) {
    Vector d[M + 2], v[M + 2];
#pragma GCC unroll 8
    for (std::size_t row = 0; row < M + 2; ++row) {
      d[row] = load(tile.pixel[row * winograd_max_points + column] + channel);
    }
    if (column >= 2) {  // the two columns before it belong to this tile, too
#pragma GCC unroll 8
      for (std::size_t row = 0; row < M + 2; ++row) {
        __builtin_prefetch(tile.pixel[row * winograd_max_points + column] + channel + tile.next, 0,
                           2);
      }
    }
    transform<M>(d, v);
#pragma GCC unroll 8
    for (std::size_t row = 0; row < M + 2; ++row) columns.at[row][column] = v[row];
  }
}

template <std::size_t M>
static void along(const WinogradInputTile& tile, std::size_t offset, const Columns& columns) {
  for (std::size_t row = 0; row < tile.rows + 2; ++row) {
    Vector v[M + 2];
    transform<M>(columns.at[row], v);
#pragma GCC unroll 8
    for (std::size_t column = 0; column < M + 2; ++column) {
      store(tile.target[row * winograd_max_points + column] + offset, v[column]);
    }
  }
}

using Down = void (*)(const WinogradInputTile&, std::size_t, Columns&);
using Along = void (*)(const WinogradInputTile&, std::size_t, const Columns&);

static Down down_of(std::size_t m) {
  return m == 6 ? down<6> : m == 5 ? down<5> : m == 4 ? down<4> : m == 3 ? down<3> : down<2>;
}
static Along along_of(std::size_t m) {
  return m == 6 ? along<6> : m == 5 ? along<5> : m == 4 ? along<4> : m == 3 ? along<3> : along<2>;
}

void winograd_input(const WinogradInputTile& tile) {
  const Down down_columns = down_of(tile.rows);
  const Along along_rows = along_of(tile.columns);
  // Every value is written before it is read; clearing 4 KiB for each tile would show.
  Columns columns;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (std::size_t channel = 0; channel < tile.channels; channel += Vector::width) {
    down_columns(tile, channel, columns);
    along_rows(tile, channel / channel_block * tile.target_step + channel % channel_block, columns);
  }
}

}  // namespace graft::cpu::GRAFT_ISA
