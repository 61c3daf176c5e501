// What training draws at random.
//
// The head before its first step: glorot_uniform kernels (Glorot and Bengio 2010, as Keras does
// it), biases and mean squares of zero. Element e of the kernel of layer l, row-major, comes from
// word e of the Philox stream {seed, initialize, layer l, step 0}, in four steps that any machine
// repeats bit for bit:
//   limit = float(sqrt(6.0 / (inputs + outputs))), in double, rounded once
//   u     = (word >> 8) · 2⁻²⁴                      in [0, 1), exact in float
//   c     = 2u − 1                                  in [−1, 1), exact in float
//   value = limit · c                               one float multiplication: in [−limit, limit)

#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/backend/checks.h"
#include "engine/base/error.h"
#include "engine/head/trainer.h"
#include "kernels/philox.h"

namespace graft {
namespace {

DenseParameters zeros(const DenseShape& shape) {
  return {shape.inputs, shape.outputs, std::vector<float>(shape.inputs * shape.outputs),
          std::vector<float>(shape.outputs)};
}

void fill_glorot_uniform(DenseParameters& dense, std::uint64_t seed, std::size_t layer) {
  const auto limit = static_cast<float>(
      std::sqrt(6.0 / (static_cast<double>(dense.inputs) + static_cast<double>(dense.outputs))));
  const RandomStream stream{seed, RandomPurpose::initialize, static_cast<std::uint32_t>(layer), 0};
  PhiloxBlock block = {};
  for (std::size_t index = 0; index < dense.kernel.size(); ++index) {
    if (index % 4 == 0) block = random_block(stream, index / 4);
    dense.kernel[index] = limit * (2.0F * uniform_from_word(block.word[index % 4]) - 1.0F);
  }
}

}  // namespace

HeadState initial_head_state(const HeadOptions& options) {
  check_options(options);
  HeadState state;
  for (const DenseShape& shape : options.layers()) {
    state.mean_squares.push_back(zeros(shape));
    state.parameters.push_back(zeros(shape));
    fill_glorot_uniform(state.parameters.back(), options.seed, state.parameters.size() - 1);
  }
  return state;
}

// The order of the rows in an epoch: Fisher–Yates (Durstenfeld's form, Knuth's algorithm P) from
// the Philox stream {seed, shuffle, layer 0, step = epoch}. For i = rows − 1 … 1 the k-th word
// drawn (k = 0, 1, …) picks j = ⌊word · (i + 1) / 2³²⌋ ≤ i, and the rows at i and j change places.
// The choice among i + 1 places is uneven by at most 2⁻³².
std::vector<std::uint32_t> epoch_order(std::size_t rows, std::uint64_t seed, std::uint64_t epoch) {
  if (rows > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(ErrorKind::data, "{} rows are more than training can number (2^32 - 1); use fewer.",
                rows);
  }
  std::vector<std::uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0U);
  const RandomStream stream{seed, RandomPurpose::shuffle, 0, epoch};
  PhiloxBlock block = {};
  std::uint64_t drawn = 0;
  for (std::size_t last = rows; last-- > 1; ++drawn) {
    if (drawn % 4 == 0) block = random_block(stream, drawn / 4);
    const std::uint64_t places = last + 1;
    const std::uint64_t pick = (block.word[drawn % 4] * places) >> 32U;
    std::swap(order[last], order[pick]);
  }
  return order;
}

}  // namespace graft
