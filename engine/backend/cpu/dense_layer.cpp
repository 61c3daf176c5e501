#include "engine/backend/cpu/dense_layer.h"

#include <algorithm>
#include <functional>

namespace graft::cpu {

namespace {

// Below this many multiply-adds (some ten microseconds) waking other threads costs more than it
// saves.
constexpr std::size_t worth_sharing = std::size_t{1} << 17U;

// std::ref: a std::function of the body itself would allocate.
template <typename Body>
void for_pieces(ThreadPool& pool, std::size_t pieces, std::size_t work, const Body& body) {
  if (work < worth_sharing) {
    for (std::size_t piece = 0; piece < pieces; ++piece) body(piece, 0);
  } else {
    pool.parallel_for(pieces, std::cref(body));
  }
}

void copy_into(const AlignedFloats& to, const std::vector<float>& from) {
  std::copy(from.begin(), from.end(), to.data());
}

}  // namespace

DenseLayer::DenseLayer(std::size_t inputs, std::size_t units, std::size_t most_rows)
    : inputs_(inputs),
      units_(units),
      most_rows_(most_rows),
      kernel_(inputs * units),
      bias_(units),
      kernel_mean_square_(inputs * units),
      bias_mean_square_(units),
      packed_inputs_(inputs * most_rows),
      outputs_(most_rows * units),
      delta_(most_rows * units),
      output_rows_(most_rows) {
  for (std::size_t row = 0; row < most_rows; ++row)
    output_rows_[row] = outputs_.data() + row * units;
}

void DenseLayer::set_parameters(const DenseParameters& parameters) {
  copy_into(kernel_, parameters.kernel);
  copy_into(bias_, parameters.bias);
}

void DenseLayer::set_mean_squares(const DenseParameters& mean_squares) {
  copy_into(kernel_mean_square_, mean_squares.kernel);
  copy_into(bias_mean_square_, mean_squares.bias);
}

void DenseLayer::clear_mean_squares() {
  std::ranges::fill(kernel_mean_square_.values(), 0.0F);
  std::ranges::fill(bias_mean_square_.values(), 0.0F);
}

DenseParameters DenseLayer::copy(const AlignedFloats& kernel, const AlignedFloats& bias) const {
  return {inputs_, units_, std::vector<float>(kernel.data(), kernel.data() + kernel.size()),
          std::vector<float>(bias.data(), bias.data() + bias.size())};
}

void DenseLayer::forward(const LayerContext& context, const float* const* inputs, std::size_t rows,
                         const Dropout* hidden, float* sums) {
  const std::size_t stride = rows * units_;
  const auto chunk = [&](std::size_t piece, std::size_t) {
    const std::size_t first = piece * dense_chunk;
    const std::size_t count = std::min(dense_chunk, inputs_ - first);
    float* packed = packed_inputs_.data() + first * rows;
    context.kernels.pack_rows(inputs, rows, first, count, packed);
    context.kernels.dense_forward(packed, rows, count, kernel_.data() + first * units_, units_,
                                  sums + piece * stride);
  };
  for_pieces(context.pool, chunks(), rows * inputs_ * units_, chunk);
  const auto finish = [&](std::size_t row, std::size_t) {
    float* values = outputs_.data() + row * units_;
    context.kernels.sum_chunks(sums + row * units_, chunks(), stride, bias_.data(), units_, values);
    if (hidden != nullptr) context.kernels.relu_dropout(values, units_, row * units_, *hidden);
  };
  for_pieces(context.pool, rows, rows * units_ * (chunks() + 16), finish);
}

void DenseLayer::backward_inputs(const LayerContext& context, std::size_t rows,
                                 float* gradient) const {
  const auto piece = [&](std::size_t index, std::size_t) {
    const std::size_t first = index * piece_inputs;
    context.kernels.dense_backward_input(delta_.data(), rows, units_, kernel_.data(), first,
                                         std::min(piece_inputs, inputs_ - first), inputs_,
                                         gradient);
  };
  for_pieces(context.pool, pieces(), rows * inputs_ * units_, piece);
}

void DenseLayer::update(const LayerContext& context, std::size_t rows, const Rmsprop& rmsprop) {
  const auto piece = [&](std::size_t index, std::size_t) {
    const std::size_t first = index * piece_inputs;
    context.kernels.dense_update(packed_inputs_.data() + first * rows, delta_.data(), rows,
                                 std::min(piece_inputs, inputs_ - first), units_, rmsprop,
                                 kernel_.data() + first * units_,
                                 kernel_mean_square_.data() + first * units_);
  };
  for_pieces(context.pool, pieces(), rows * inputs_ * units_, piece);
  context.kernels.bias_update(delta_.data(), rows, units_, rmsprop, bias_.data(),
                              bias_mean_square_.data());
}

}  // namespace graft::cpu
