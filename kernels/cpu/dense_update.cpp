// Weight gradient and RMSprop update of a Dense layer: tiles of inputs × columns. All rows of the
// batch are summed in registers, then the tile of weights is read, updated and written.

#include "kernels/cpu/dense_update.h"

#include "kernels/cpu/rmsprop_step.h"
#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

extern DenseUpdate dense_update;

static constexpr std::size_t tile_inputs = Vector::width == 16 ? 8 : 4;
static constexpr std::size_t tile_vectors = 2;

struct Update {
  RmspropVectors rmsprop;  // first: whole vectors
  const float* inputs;
  const float* delta;
  std::size_t rows;
  std::size_t units;
  float* kernel;
  float* mean_square;
};

template <bool Whole>
static inline Vector load_lanes(const float* from, std::size_t lanes) {
  return Whole ? load(from) : load_first(from, lanes);
}

template <bool Whole>
static inline void store_lanes(float* to, std::size_t lanes, Vector a) {
  if constexpr (Whole) {
    store(to, a);
  } else {
    store_first(to, lanes, a);
  }
}

// Asks for a tile's weights while its gradient is summed.
template <std::size_t Inputs, std::size_t Vectors>
static inline void prefetch_tile(const Update& update, std::size_t at) {
  for (std::size_t i = 0; i < Inputs; ++i) {
    for (std::size_t v = 0; v < Vectors; ++v) {
      __builtin_prefetch(update.kernel + at + i * update.units + v * Vector::width, 1);
      __builtin_prefetch(update.mean_square + at + i * update.units + v * Vector::width, 1);
    }
  }
}

// `lanes` counts the columns of the last vector; the others are whole.
template <bool EpsilonInside, std::size_t Inputs, std::size_t Vectors, bool Whole>
static void update_tile(const Update& update, std::size_t input, std::size_t column,
                        std::size_t lanes) {
  Vector gradient[Inputs][Vectors];
  for (std::size_t i = 0; i < Inputs; ++i) {
    for (std::size_t v = 0; v < Vectors; ++v) gradient[i][v] = zero();
  }
  prefetch_tile<Inputs, Vectors>(update, input * update.units + column);
  const float* values = update.inputs + input * update.rows;
  for (std::size_t r = 0; r < update.rows; ++r) {
    const float* from = update.delta + r * update.units + column;
    Vector delta[Vectors];
    for (std::size_t v = 0; v < Vectors; ++v) {
      delta[v] = load_lanes<Whole>(from + v * Vector::width, lanes);
    }
    for (std::size_t i = 0; i < Inputs; ++i) {
      const Vector value = broadcast(values[i * update.rows + r]);
      for (std::size_t v = 0; v < Vectors; ++v) {
        gradient[i][v] = multiply_add(value, delta[v], gradient[i][v]);
      }
    }
  }
  for (std::size_t i = 0; i < Inputs; ++i) {
    for (std::size_t v = 0; v < Vectors; ++v) {
      const std::size_t at = (input + i) * update.units + column + v * Vector::width;
      const RmspropValues updated =
          rmsprop_step<EpsilonInside>(update.rmsprop,
                                      {load_lanes<Whole>(update.kernel + at, lanes),
                                       load_lanes<Whole>(update.mean_square + at, lanes)},
                                      gradient[i][v]);
      store_lanes<Whole>(update.kernel + at, lanes, updated.parameter);
      store_lanes<Whole>(update.mean_square + at, lanes, updated.mean_square);
    }
  }
}

template <bool EpsilonInside, std::size_t Inputs>
static void update_inputs(const Update& update, std::size_t input) {
  constexpr std::size_t columns = tile_vectors * Vector::width;
  std::size_t column = 0;
  for (; column + columns <= update.units; column += columns) {
    update_tile<EpsilonInside, Inputs, tile_vectors, true>(update, input, column, Vector::width);
  }
  for (; column + Vector::width <= update.units; column += Vector::width) {
    update_tile<EpsilonInside, Inputs, 1, true>(update, input, column, Vector::width);
  }
  if (column < update.units) {
    update_tile<EpsilonInside, Inputs, 1, false>(update, input, column, update.units - column);
  }
}

// Tiles of Inputs inputs, then of half as many for what is left.
template <bool EpsilonInside, std::size_t Inputs>
static void update_range(const Update& update, std::size_t input, std::size_t count) {
  for (; input + Inputs <= count; input += Inputs)
    update_inputs<EpsilonInside, Inputs>(update, input);
  if constexpr (Inputs > 1) update_range<EpsilonInside, Inputs / 2>(update, input, count);
}

void dense_update(const float* inputs, const float* delta, std::size_t rows, std::size_t count,
                  std::size_t units, const Rmsprop& rmsprop, float* kernel, float* mean_square) {
  const Update update = {broadcast(rmsprop), inputs, delta, rows, units, kernel, mean_square};
  if (rmsprop.epsilon_inside_sqrt) {
    update_range<true, tile_inputs>(update, 0, count);
  } else {
    update_range<false, tile_inputs>(update, 0, count);
  }
}

}  // namespace graft::cpu::GRAFT_ISA
