// The product of a Dense layer for one chunk of inputs: tiles of rows × units whose sums stay in
// registers. A kernel element is loaded once per tile and used by all its rows.

#include "kernels/cpu/dense_forward.h"

#include "kernels/cpu/dense_layout.h"
#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

// As many independent sums as the registers hold next to a row of the kernel and one input.
#if defined(__AVX512F__)
static constexpr std::size_t most_tile_rows = 12;
#elif defined(__AVX2__)
static constexpr std::size_t most_tile_rows = 6;
#else
static constexpr std::size_t most_tile_rows = 4;
#endif
static constexpr std::size_t tile_vectors = 2;
static constexpr std::size_t tile_units = tile_vectors * Vector::width;
// The hardware's own prefetch stops at each page.
static constexpr std::size_t prefetch_inputs = 16;

// Panels that `Vectors` vectors reach into.
template <std::size_t Vectors>
static constexpr std::size_t panels_of = (Vectors * Vector::width + panel_units - 1) / panel_units;

// Adds the products of one input with its row of the kernel. Narrow: the row is that of the last
// panel, and one vector of `lanes` units.
template <std::size_t Rows, std::size_t Vectors, bool Narrow>
static inline __attribute__((always_inline)) void multiply_input(
    const float* inputs, const float* const (&kernel)[panels_of<Vectors>], std::size_t lanes,
    Vector (&sum)[Rows][Vectors]) {
  Vector weight[Vectors];
#pragma GCC unroll 4
  for (std::size_t p = 0; p < panels_of<Vectors>; ++p) {
    __builtin_prefetch(kernel[p] + prefetch_inputs * panel_units);
  }
#pragma GCC unroll 4
  for (std::size_t v = 0; v < Vectors; ++v) {
    const float* from = kernel[v * Vector::width / panel_units] + v * Vector::width % panel_units;
    weight[v] = Narrow ? load_first(from, lanes) : load(from);
  }
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r) {
    const Vector value = broadcast(inputs[r * line_inputs]);
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; ++v) {
      sum[r][v] = multiply_add(value, weight[v], sum[r][v]);
    }
  }
}

// Rows `row` … row + Rows - 1, Vectors vectors of units from `unit`.
template <std::size_t Rows, std::size_t Vectors, bool Narrow>
static void dense_tile(const DenseForwardArguments& a, std::size_t row, std::size_t unit,
                       std::size_t lanes) {
  Vector sum[Rows][Vectors];
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = zero();
  }
  const std::size_t width =
      Narrow ? panel_width(a.units, unit / panel_units * panel_units) : panel_units;
  const float* kernel[panels_of<Vectors>];
#pragma GCC unroll 4
  for (std::size_t p = 0; p < panels_of<Vectors>; ++p) {
    kernel[p] = a.kernel + kernel_index(a.count, a.units, 0, unit + p * panel_units);
  }
  const float* inputs = a.packed + row * line_inputs;
  const auto next = [&](std::size_t i) {
    multiply_input<Rows, Vectors, Narrow>(inputs + i, kernel, lanes, sum);
#pragma GCC unroll 4
    for (std::size_t p = 0; p < panels_of<Vectors>; ++p) kernel[p] += width;
  };
  std::size_t left = a.count;
  for (; left >= line_inputs; left -= line_inputs) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < line_inputs; ++i) next(i);
    inputs += a.rows * line_inputs;
  }
  for (std::size_t i = 0; i < left; ++i) next(i);
#pragma GCC unroll 16
  for (std::size_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; ++v) {
      float* to = a.sums + (row + r) * a.units + unit + v * Vector::width;
      if constexpr (Narrow) {
        store_first(to, lanes, a.add ? load_first(to, lanes) + sum[r][v] : sum[r][v]);
      } else {
        store(to, a.add ? load(to) + sum[r][v] : sum[r][v]);
      }
    }
  }
}

template <std::size_t Rows>
static void dense_units(const DenseForwardArguments& a, std::size_t row) {
  const std::size_t full_panels = a.units / panel_units * panel_units;
  std::size_t unit = 0;
  for (; unit + tile_units <= full_panels; unit += tile_units) {
    dense_tile<Rows, tile_vectors, false>(a, row, unit, Vector::width);
  }
  for (; unit < full_panels; unit += Vector::width) {
    dense_tile<Rows, 1, false>(a, row, unit, Vector::width);
  }
  for (; unit < a.units; unit += Vector::width) {
    const std::size_t left = a.units - unit;
    dense_tile<Rows, 1, true>(a, row, unit, left < Vector::width ? left : Vector::width);
  }
}

using DenseUnits = void (*)(const DenseForwardArguments&, std::size_t);

// dense_units<rows>, for 1 ≤ rows ≤ Rows.
template <std::size_t Rows>
static DenseUnits units_of(std::size_t rows) {
  if constexpr (Rows == 1) {
    return dense_units<1>;
  } else {
    return rows == Rows ? dense_units<Rows> : units_of<Rows - 1>(rows);
  }
}

// Tiles of almost the same number of rows: 6 + 5 + 5 of 16, because a tile of 4 has too few sums to
// hide the latency of a multiply-add.
void dense_forward(const DenseForwardArguments& arguments) {
  for (std::size_t row = 0; row < arguments.rows;) {
    const std::size_t left = arguments.rows - row;
    const std::size_t tiles = (left + most_tile_rows - 1) / most_tile_rows;
    const std::size_t rows = (left + tiles - 1) / tiles;
    units_of<most_tile_rows>(rows)(arguments, row);
    row += rows;
  }
}

}  // namespace graft::cpu::GRAFT_ISA
