// Weight gradient and RMSprop update of a Dense layer: tiles of inputs × units. All rows of the
// batch are summed in registers; then the tile of weights is read, updated and written. A root and
// a quotient take 30 cycles one after the other and leave the multiply-add units idle, so that they
// belong between the multiply-adds of the next tile, and each where its operands are ready already:
//
//   rows      0  1  2  …  7  8  9  …  15
//   tile 0    ▒  ▒  ▒     ▒  ▒  ▒     ▒     ▒ multiply-adds of a row of the batch
//   tile 1    ▒√ ▒√ ▒√    ▒√ ▒÷ ▒÷    ▒÷    √ of the tile before: mean squares and their roots
//   tile 2    ▒√ ▒√ ▒√    ▒√ ▒÷ ▒÷    ▒÷    ÷ of the tile before: quotients and weights
//
// What waits of a tile, its gradient and its divisors, is at most 2 KiB: it stays in the level-1
// cache.

#include "kernels/cpu/dense_update.h"

#include "kernels/cpu/dense_layout.h"
#include "kernels/cpu/rmsprop_step.h"
#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

// Sums in 16 of 32 registers, or 8 of 16.
static constexpr std::size_t tile_inputs = Vector::width == 16 ? 8 : 4;
static constexpr std::size_t tile_vectors = 2;
static constexpr std::size_t tile_units = tile_vectors * Vector::width;
// The second stage of a tile is cut into this many steps, for as many rows of a common batch.
static constexpr std::size_t half_steps = 8;
static constexpr std::size_t vectors_each = tile_inputs * tile_vectors / half_steps;
static_assert(tile_inputs % vectors_each == 0);
// The hardware's own prefetch stops at each page.
static constexpr std::size_t prefetch_inputs = 16;

struct Update : DenseUpdateArguments {
  RmspropVectors rmsprop;
};

// The first row's value of `input`; the next row's is a line further.
static inline const float* packed_input(const Update& update, std::size_t input) {
  return update.packed + packed_index(update.rows, 0, input);
}

// RMSprop on the first `lanes` weights at `kernel` and `mean_square`.
template <bool EpsilonInside>
static void update_lanes(const RmspropVectors& rmsprop, float* kernel, float* mean_square,
                         std::size_t lanes, Vector gradient) {
  const RmspropValues updated = rmsprop_step<EpsilonInside>(
      rmsprop, {load_first(kernel, lanes), load_first(mean_square, lanes)}, gradient);
  store_first(kernel, lanes, updated.parameter);
  store_first(mean_square, lanes, updated.mean_square);
}

// A tile whose gradient is summed and whose weights are not yet updated. The weights of an input
// are a panel row behind those of the one before.
struct Waiting {
  alignas(64) float gradient[tile_vectors][tile_inputs][Vector::width] = {};
  alignas(64) float divisor[tile_vectors][tile_inputs][Vector::width] = {};
  float* kernel[tile_vectors] = {};  // where each vector begins
  float* mean_square[tile_vectors] = {};
  bool any = false;
};

// The two halves of RMSprop on vector `v` of input `i` of the tile that waits.
template <bool EpsilonInside>
static inline __attribute__((always_inline)) void update_mean_square(const RmspropVectors& rmsprop,
                                                                     Waiting& waiting,
                                                                     std::size_t v, std::size_t i) {
  float* at = waiting.mean_square[v] + i * panel_units;
  if (v * Vector::width % panel_units == 0)
    __builtin_prefetch(at + prefetch_inputs * panel_units, 1);
  const Vector mean_square = next_mean_square(rmsprop, load(at), load(waiting.gradient[v][i]));
  store(at, mean_square);
  store(waiting.divisor[v][i], divisor_of<EpsilonInside>(rmsprop, mean_square));
}

static inline __attribute__((always_inline)) void update_weight(const RmspropVectors& rmsprop,
                                                                const Waiting& waiting,
                                                                std::size_t v, std::size_t i) {
  float* at = waiting.kernel[v] + i * panel_units;
  if (v * Vector::width % panel_units == 0)
    __builtin_prefetch(at + prefetch_inputs * panel_units, 1);
  store(at, next_parameter(rmsprop, load(at), load(waiting.gradient[v][i]),
                           load(waiting.divisor[v][i])));
}

// The rows of the batch that a tile still has to sum.
struct Rows {
  const float* values;
  const float* end;
  const float* delta;
  std::size_t units;
};

static inline __attribute__((always_inline)) void add_row(
    Rows& rows, Vector (&gradient)[tile_inputs][tile_vectors]) {
  Vector from[tile_vectors];
#pragma GCC unroll 4
  for (std::size_t v = 0; v < tile_vectors; ++v) from[v] = load(rows.delta + v * Vector::width);
#pragma GCC unroll 16
  for (std::size_t i = 0; i < tile_inputs; ++i) {
    const Vector value = broadcast(rows.values[i]);
#pragma GCC unroll 4
    for (std::size_t v = 0; v < tile_vectors; ++v) {
      gradient[i][v] = multiply_add(value, from[v], gradient[i][v]);
    }
  }
  rows.values += line_inputs;
  rows.delta += rows.units;
}

// Calls part(v, i) for every vector of the tile that waits, with rows of the next tile between.
template <typename Part>
static inline __attribute__((always_inline)) void add_rows_between(
    Rows& rows, std::size_t rows_each, Vector (&gradient)[tile_inputs][tile_vectors],
    const Part& part) {
#pragma GCC unroll 1
  for (std::size_t v = 0; v < tile_vectors; ++v) {
#pragma GCC unroll 1
    for (std::size_t i = 0; i < tile_inputs; i += vectors_each) {
#pragma GCC unroll 1
      for (std::size_t r = 0; r < rows_each; ++r) add_row(rows, gradient);
#pragma GCC unroll 4
      for (std::size_t j = 0; j < vectors_each; ++j) part(v, i + j);
    }
  }
}

// Sums the gradient of the tile at (input, unit) and updates the tile that waits; then this one
// waits.
template <bool EpsilonInside>
static void full_tile(const Update& update, std::size_t input, std::size_t unit, Waiting& waiting) {
  Vector gradient[tile_inputs][tile_vectors];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < tile_inputs; ++i) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < tile_vectors; ++v) gradient[i][v] = zero();
  }
  const RmspropVectors rmsprop = update.rmsprop;  // a copy: stores of weights cannot change it
  const float* values = packed_input(update, input);
  Rows rows = {values, values + update.rows * line_inputs, update.delta + unit, update.units};
  if (waiting.any) {
    const std::size_t rows_each = update.rows / (2 * half_steps);
    add_rows_between(rows, rows_each, gradient, [&](std::size_t v, std::size_t i) {
      update_mean_square<EpsilonInside>(rmsprop, waiting, v, i);
    });
    add_rows_between(rows, rows_each, gradient,
                     [&](std::size_t v, std::size_t i) { update_weight(rmsprop, waiting, v, i); });
  }
  while (rows.values != rows.end) add_row(rows, gradient);
#pragma GCC unroll 4
  for (std::size_t v = 0; v < tile_vectors; ++v) {
    const std::size_t at =
        kernel_index(update.count, update.units, input, unit + v * Vector::width);
    waiting.kernel[v] = update.kernel + at;
    waiting.mean_square[v] = update.mean_square + at;
#pragma GCC unroll 16
    for (std::size_t i = 0; i < tile_inputs; ++i) store(waiting.gradient[v][i], gradient[i][v]);
  }
  waiting.any = true;
}

template <bool EpsilonInside>
static void update_waiting(const Update& update, Waiting& waiting) {
  if (!waiting.any) return;
  for (std::size_t v = 0; v < tile_vectors; ++v) {
    for (std::size_t i = 0; i < tile_inputs; ++i) {
      update_mean_square<EpsilonInside>(update.rmsprop, waiting, v, i);
      update_weight(update.rmsprop, waiting, v, i);
    }
  }
}

// One vector of units of one input: the rest after full tiles.
template <bool EpsilonInside>
static void single_vector(const Update& update, std::size_t input, std::size_t unit,
                          std::size_t lanes) {
  const float* values = packed_input(update, input);
  const float* delta = update.delta + unit;
  Vector gradient = zero();
  for (std::size_t r = 0; r < update.rows; ++r, values += line_inputs, delta += update.units) {
    gradient = multiply_add(broadcast(*values), load_first(delta, lanes), gradient);
  }
  const std::size_t at = kernel_index(update.count, update.units, input, unit);
  update_lanes<EpsilonInside>(update.rmsprop, update.kernel + at, update.mean_square + at, lanes,
                              gradient);
}

// Inputs `input` … end-1, units `unit` … last-1, a multiple of the vector's width apart from the
// next panel.
template <bool EpsilonInside>
static void single_vectors(const Update& update, std::size_t input, std::size_t end,
                           std::size_t unit, std::size_t last) {
  for (; unit < last; unit += Vector::width) {
    const std::size_t left = last - unit;
    for (std::size_t i = input; i < end; ++i) {
      single_vector<EpsilonInside>(update, i, unit, left < Vector::width ? left : Vector::width);
    }
  }
}

// A layer of one unit: its weights are a vector over the inputs, as each line of a packed row is.
template <bool EpsilonInside>
static void one_unit(const Update& update) {
  for (std::size_t input = 0; input < update.count; input += Vector::width) {
    const std::size_t left = update.count - input;
    const float* values = packed_input(update, input);
    Vector gradient = zero();
    for (std::size_t r = 0; r < update.rows; ++r) {
      gradient = multiply_add(load(values + r * line_inputs), broadcast(update.delta[r]), gradient);
    }
    update_lanes<EpsilonInside>(update.rmsprop, update.kernel + input, update.mean_square + input,
                                left < Vector::width ? left : Vector::width, gradient);
  }
}

template <bool EpsilonInside>
static void all_units(const Update& update) {
  const std::size_t tiled_units =
      update.units / panel_units * panel_units / tile_units * tile_units;
  const std::size_t tiled_inputs = update.count / tile_inputs * tile_inputs;
  Waiting waiting;
  for (std::size_t unit = 0; unit < tiled_units; unit += tile_units) {
    for (std::size_t input = 0; input < tiled_inputs; input += tile_inputs) {
      full_tile<EpsilonInside>(update, input, unit, waiting);
    }
  }
  update_waiting<EpsilonInside>(update, waiting);
  single_vectors<EpsilonInside>(update, tiled_inputs, update.count, 0, tiled_units);
  single_vectors<EpsilonInside>(update, 0, update.count, tiled_units, update.units);
}

template <bool EpsilonInside>
static void update_layer(const Update& update) {
  if (update.units == 1) {
    one_unit<EpsilonInside>(update);
  } else {
    all_units<EpsilonInside>(update);
  }
}

void dense_update(const DenseUpdateArguments& arguments, const Rmsprop& rmsprop) {
  const Update update = {arguments, broadcast(rmsprop)};
  if (rmsprop.epsilon_inside_sqrt) {
    update_layer<true>(update);
  } else {
    update_layer<false>(update);
  }
}

// Bias gradient and update, a vector of units at a time.
template <bool EpsilonInside>
static void update_biases(const float* delta, std::size_t rows, std::size_t units,
                          const Rmsprop& rmsprop, float* bias, float* mean_square) {
  const RmspropVectors factors = broadcast(rmsprop);
  for (std::size_t unit = 0; unit < units; unit += Vector::width) {
    const std::size_t lanes = units - unit < Vector::width ? units - unit : Vector::width;
    Vector gradient = zero();
    for (std::size_t r = 0; r < rows; ++r) {
      gradient = gradient + load_first(delta + r * units + unit, lanes);
    }
    const RmspropValues values = rmsprop_step<EpsilonInside>(
        factors, {load_first(bias + unit, lanes), load_first(mean_square + unit, lanes)}, gradient);
    store_first(bias + unit, lanes, values.parameter);
    store_first(mean_square + unit, lanes, values.mean_square);
  }
}

void bias_update(const float* delta, std::size_t rows, std::size_t units, const Rmsprop& rmsprop,
                 float* bias, float* mean_square) {
  if (rmsprop.epsilon_inside_sqrt) {
    update_biases<true>(delta, rows, units, rmsprop, bias, mean_square);
  } else {
    update_biases<false>(delta, rows, units, rmsprop, bias, mean_square);
  }
}

}  // namespace graft::cpu::GRAFT_ISA
