#include "engine/backend/cpu/dense_layer.h"

#include <algorithm>

#include "kernels/cpu/divide_up.h"

namespace graft::cpu {

DenseLayer::DenseLayer(const DenseShape& shape, std::size_t most_rows)
    : inputs_(shape.inputs),
      units_(shape.outputs),
      most_rows_(most_rows),
      kernel_(inputs_ * units_),
      bias_(units_),
      kernel_mean_square_(inputs_ * units_),
      bias_mean_square_(units_),
      packed_inputs_(packed_size(most_rows, inputs_)),
      outputs_(most_rows * units_),
      delta_(most_rows * units_),
      output_rows_(most_rows) {
  for (std::size_t row = 0; row < most_rows; ++row)
    output_rows_[row] = outputs_.data() + row * units_;
}

// Calls visit(its index in dense_layout.h, its length) for every row of a panel: for the weights of a
// row-major kernel, in order.
template <typename Visit>
void DenseLayer::for_each_panel_row(const Visit& visit) const {
  for (std::size_t input = 0; input < inputs_; ++input) {
    const std::size_t chunk = input / dense_chunk;
    const std::size_t first = chunk * dense_chunk;
    for (std::size_t unit = 0; unit < units_; unit += panel_units) {
      visit(first * units_ + kernel_index(chunk_size(chunk), units_, input - first, unit),
            panel_width(units_, unit));
    }
  }
}

void DenseLayer::set(const AlignedFloats& kernel, const AlignedFloats& bias,
                     const DenseParameters& from) {
  const float* values = from.kernel.data();
  for_each_panel_row([&](std::size_t index, std::size_t width) {
    std::copy_n(values, width, kernel.data() + index);
    values += width;
  });
  std::copy(from.bias.begin(), from.bias.end(), bias.data());
}

DenseParameters DenseLayer::copy(const AlignedFloats& kernel, const AlignedFloats& bias) const {
  DenseParameters to = {inputs_, units_, std::vector<float>(kernel.size()),
                        std::vector<float>(bias.data(), bias.data() + bias.size())};
  float* values = to.kernel.data();
  for_each_panel_row([&](std::size_t index, std::size_t width) {
    values = std::copy_n(kernel.data() + index, width, values);
  });
  return to;
}

void DenseLayer::clear_mean_squares() {
  std::ranges::fill(kernel_mean_square_.values(), 0.0F);
  std::ranges::fill(bias_mean_square_.values(), 0.0F);
}

std::size_t DenseLayer::chunk_size(std::size_t chunk) const {
  return std::min(dense_chunk, inputs_ - chunk * dense_chunk);
}

void DenseLayer::forward(const LayerContext& context, const float* const* inputs, std::size_t rows,
                         const Normalization* normalization, const Dropout* hidden, float* sums) {
  const float* mean = normalization != nullptr ? normalization->mean.data() : nullptr;
  const float* scale = normalization != nullptr ? normalization->scale.data() : nullptr;
  const std::size_t stride = rows * units_;
  const auto chunk = [&](std::size_t piece, std::size_t) {
    const std::size_t first = piece * dense_chunk;
    float* packed = packed_inputs_.data() + packed_index(rows, 0, first);
    context.kernels.pack_rows(inputs, rows, first, chunk_size(piece), mean, scale, packed);
    context.kernels.dense_forward({.packed = packed,
                                   .rows = rows,
                                   .count = chunk_size(piece),
                                   .kernel = kernel_.data() + first * units_,
                                   .units = units_,
                                   .sums = sums + piece * stride,
                                   .add = false});
  };
  for_pieces(context.pool, chunks(), rows * inputs_ * units_, chunk);
  const auto finish = [&](std::size_t row, std::size_t) {
    float* values = outputs_.data() + row * units_;
    context.kernels.sum_chunks(sums + row * units_, chunks(), stride, bias_.data(), units_, values);
    if (hidden != nullptr) context.kernels.relu_dropout(values, units_, row * units_, *hidden);
  };
  for_pieces(context.pool, rows, rows * units_ * (chunks() + 16), finish);
}

void DenseLayer::prefetch_chunk(const float* const* inputs, std::size_t rows,
                                std::size_t chunk) const {
  if (chunk == chunks()) return;
  for (std::size_t row = 0; row < rows; ++row) {
    const float* from = inputs[row] + chunk * dense_chunk;
    for (std::size_t i = 0; i < chunk_size(chunk); i += line_inputs) __builtin_prefetch(from + i);
  }
}

void DenseLayer::infer(const KernelTable& kernels, const float* const* inputs, std::size_t rows,
                       const Dropout* hidden, float* packed, float* outputs) const {
  const std::size_t groups = divide_up(rows, group_rows);
  for (std::size_t chunk = 0; chunk < chunks(); ++chunk) {
    const std::size_t first = chunk * dense_chunk;
    for (std::size_t group = 0; group < groups; ++group) {
      const std::size_t row = group * rows / groups;
      const std::size_t count = (group + 1) * rows / groups - row;
      kernels.pack_rows(inputs + row, count, first, chunk_size(chunk), nullptr, nullptr, packed);
      prefetch_chunk(inputs + row, count, chunk + 1);
      kernels.dense_forward({.packed = packed,
                             .rows = count,
                             .count = chunk_size(chunk),
                             .kernel = kernel_.data() + first * units_,
                             .units = units_,
                             .sums = outputs + row * units_,
                             .add = chunk != 0});
    }
  }
  for (std::size_t row = 0; row < rows; ++row) {
    float* values = outputs + row * units_;
    kernels.sum_chunks(values, 1, 0, bias_.data(), units_, values);
    if (hidden != nullptr) kernels.relu_dropout(values, units_, row * units_, *hidden);
  }
}

void DenseLayer::backward_inputs(const LayerContext& context, std::size_t rows,
                                 float* gradient) const {
  const auto piece = [&](std::size_t chunk, std::size_t) {
    const std::size_t first = chunk * dense_chunk;
    context.kernels.dense_backward_input(delta_.data(), rows, units_,
                                         kernel_.data() + first * units_, chunk_size(chunk),
                                         gradient + first, inputs_);
  };
  for_pieces(context.pool, chunks(), rows * inputs_ * units_, piece);
}

void DenseLayer::update(const LayerContext& context, std::size_t rows, const Rmsprop& rmsprop) {
  const auto piece = [&](std::size_t chunk, std::size_t) {
    const std::size_t first = chunk * dense_chunk;
    context.kernels.dense_update({.packed = packed_inputs_.data() + packed_index(rows, 0, first),
                                  .delta = delta_.data(),
                                  .rows = rows,
                                  .count = chunk_size(chunk),
                                  .units = units_,
                                  .kernel = kernel_.data() + first * units_,
                                  .mean_square = kernel_mean_square_.data() + first * units_},
                                 rmsprop);
  };
  for_pieces(context.pool, chunks(), rows * inputs_ * units_, piece);
  context.kernels.bias_update(delta_.data(), rows, units_, rmsprop, bias_.data(),
                              bias_mean_square_.data());
}

}  // namespace graft::cpu
