// The head before its first step: glorot_uniform kernels (Glorot and Bengio 2010, as Keras does
// it), biases and mean squares of zero. Element e of the kernel of layer l, row-major, comes from
// word e of the Philox stream {seed, initialize, layer l, step 0}, in four steps that any machine
// repeats bit for bit:
//   limit = float(sqrt(6.0 / (inputs + outputs))), in double, rounded once
//   u     = (word >> 8) · 2⁻²⁴                      in [0, 1), exact in float
//   c     = 2u − 1                                  in [−1, 1), exact in float
//   value = limit · c                               one float multiplication: in [−limit, limit)

#include <cmath>

#include "engine/backend/head_checks.h"
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

}  // namespace graft
