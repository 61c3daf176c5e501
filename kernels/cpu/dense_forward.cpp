// The product of a Dense layer for one chunk of inputs: tiles of rows × columns whose sums stay in
// registers. A kernel element is loaded once per tile and used by all its rows.

#include "kernels/cpu/dense_forward.h"

#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

extern DenseForward dense_forward;

// As many independent sums as keep the multiply-add units busy without leaving the registers.
static constexpr std::size_t tile_rows = Vector::width == 16 ? 8 : 4;
static constexpr std::size_t tile_vectors = 2;
// A kernel row is `units` floats after the one before it: too far for the hardware's prefetcher.
static constexpr std::size_t prefetch_inputs = 16;

struct Chunk {
  const float* inputs;
  std::size_t rows;
  std::size_t count;
  const float* kernel;
  std::size_t units;
  float* sums;
};

// Rows `row` … row + Rows - 1; Vectors vectors of columns from `column`, which are whole or, a
// single one, the last `lanes` columns.
template <std::size_t Rows, std::size_t Vectors, bool Whole>
static void dense_tile(const Chunk& chunk, std::size_t row, std::size_t column, std::size_t lanes) {
  Vector sum[Rows][Vectors];
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = zero();
  }
  const float* inputs = chunk.inputs + row;
  const float* kernel = chunk.kernel + column;
  for (std::size_t k = 0; k < chunk.count; ++k, inputs += chunk.rows, kernel += chunk.units) {
    for (std::size_t v = 0; v < Vectors; ++v) {
      __builtin_prefetch(kernel + prefetch_inputs * chunk.units + v * Vector::width);
    }
    Vector weight[Vectors];
    for (std::size_t v = 0; v < Vectors; ++v) {
      weight[v] = Whole ? load(kernel + v * Vector::width) : load_first(kernel, lanes);
    }
    for (std::size_t r = 0; r < Rows; ++r) {
      const Vector value = broadcast(inputs[r]);
      for (std::size_t v = 0; v < Vectors; ++v) {
        sum[r][v] = multiply_add(value, weight[v], sum[r][v]);
      }
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t v = 0; v < Vectors; ++v) {
      float* to = chunk.sums + (row + r) * chunk.units + column + v * Vector::width;
      if (Whole) {
        store(to, sum[r][v]);
      } else {
        store_first(to, lanes, sum[r][v]);
      }
    }
  }
}

template <std::size_t Rows>
static void dense_columns(const Chunk& chunk, std::size_t row) {
  constexpr std::size_t columns = tile_vectors * Vector::width;
  std::size_t column = 0;
  for (; column + columns <= chunk.units; column += columns) {
    dense_tile<Rows, tile_vectors, true>(chunk, row, column, Vector::width);
  }
  for (; column + Vector::width <= chunk.units; column += Vector::width) {
    dense_tile<Rows, 1, true>(chunk, row, column, Vector::width);
  }
  if (column < chunk.units) {
    dense_tile<Rows, 1, false>(chunk, row, column, chunk.units - column);
  }
}

// Tiles of Rows rows, then of half as many for what is left.
template <std::size_t Rows>
static void dense_rows(const Chunk& chunk, std::size_t row) {
  for (; row + Rows <= chunk.rows; row += Rows) dense_columns<Rows>(chunk, row);
  if constexpr (Rows > 1) dense_rows<Rows / 2>(chunk, row);
}

void dense_forward(const float* inputs, std::size_t rows, std::size_t count, const float* kernel,
                   std::size_t units, float* sums) {
  dense_rows<tile_rows>({inputs, rows, count, kernel, units, sums}, 0);
}

}  // namespace graft::cpu::GRAFT_ISA
