#include "engine/backend/cpu/cpu_head.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/backend/arithmetic.h"
#include "engine/backend/checks.h"
#include "engine/backend/cpu/dense_layer.h"
#include "engine/base/memory.h"
#include "kernels/cpu/cross_entropy.h"
#include "kernels/cpu/dense_forward.h"
#include "kernels/cpu/divide_up.h"

namespace graft::cpu {

namespace {

// Rows up to which the threads share the inputs of a layer, as in training; above, they share the
// rows, and none waits for another between the layers.
constexpr std::size_t few_rows = 64;
// Rows whose logits are kept at once: a validation set of ordinary size is one product.
constexpr std::size_t inference_rows = 1024;
// Most rows that a thread takes through the head at once: with 256 units, these rows, the packed
// inputs and a chunk of the kernel fill half of a level-2 cache of 1 MiB.
constexpr std::size_t piece_rows = 96;

std::size_t most_batch_rows(const HeadOptions& options) {
  return std::max(options.batch_size, few_rows);
}

// Throws unless the machine can hold the head, its workspace for `threads`, and a HeadState of it.
void check_head_memory(const HeadOptions& options, std::size_t threads) {
  const auto rows = static_cast<double>(most_batch_rows(options));
  const double piece = static_cast<double>(piece_rows) * static_cast<double>(threads);
  double floats = static_cast<double>(inference_rows) * static_cast<double>(options.outputs()) +
                  static_cast<double>(DenseLayer::group_size) * static_cast<double>(threads);
  double workspace = 0.0;
  for (const DenseShape& shape : options.layers()) {
    const auto inputs = static_cast<double>(shape.inputs);
    const auto units = static_cast<double>(shape.outputs);
    // Parameters and mean squares, here and there, and folded parameters there.
    floats += 5.0 * (inputs + 1.0) * units;
    floats += rows * std::ceil(inputs / line_inputs) * line_inputs;  // packed inputs
    floats += rows * 2.0 * units;                                    // outputs and their gradient
    workspace = std::max(workspace, std::ceil(inputs / dense_chunk) * rows * units);
  }
  for (const std::size_t units : options.hidden) floats += piece * static_cast<double>(units);
  check_memory("The head", (floats + workspace) * sizeof(float),
               "choose smaller layers (head.hidden), a smaller train.batch_size or "
               "data.image_size");
}

// Memory in which a thread takes piece_rows rows through the head.
struct PieceWorkspace {
  AlignedFloats packed;
  std::vector<AlignedFloats> outputs;           // of each hidden layer
  std::vector<std::vector<const float*>> rows;  // of the same
};

PieceWorkspace make_piece_workspace(const HeadOptions& options) {
  PieceWorkspace made = {AlignedFloats::uninitialised(DenseLayer::group_size), {}, {}};
  for (const std::size_t units : options.hidden) {
    const AlignedFloats& outputs =
        made.outputs.emplace_back(AlignedFloats::uninitialised(piece_rows * units));
    std::vector<const float*>& rows = made.rows.emplace_back(piece_rows);
    for (std::size_t row = 0; row < piece_rows; ++row) rows[row] = outputs.data() + row * units;
  }
  return made;
}

class CpuHead final : public Head {
 public:
  CpuHead(const HeadOptions& options, ThreadPool& pool, const KernelTable& kernels);

  void set_state(const HeadState& state) override;
  HeadState state() override;
  void set_training_data(FeatureView features, std::span<const std::uint32_t> labels,
                         const Normalization& normalization) override;
  void begin_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step) override;
  void train_step() override;
  Totals take_totals() override { return std::exchange(totals_, Totals{}); }
  void set_validation_data(FeatureView features, std::span<const std::uint32_t> labels) override;
  Totals evaluate() override;
  void predict(FeatureView features, std::span<float> probabilities) override;

 private:
  const float* forward(std::size_t rows, const std::uint64_t* training_step);
  void backward(std::size_t rows, const Rmsprop& rmsprop);
  BatchLoss loss(const float* logits, const std::uint32_t* labels, std::size_t rows,
                 float* gradient) const;
  template <typename Block>
  void for_each_block(FeatureView features, const Block& block);
  const float* infer(std::size_t rows);
  void infer_piece(std::size_t first, std::size_t rows, PieceWorkspace& workspace);

  const HeadOptions options_;
  const LayerContext context_;
  std::vector<DenseLayer> layers_;
  AlignedFloats sums_;                  // workspace of every layer's product
  std::vector<const float*> inputs_;    // the feature rows of the present batch or block
  std::vector<PieceWorkspace> pieces_;  // one per thread
  AlignedFloats logits_;                // of a block: inference_rows × outputs
  std::vector<std::uint32_t> batch_labels_;
  FeatureView features_, validation_;
  std::span<const std::uint32_t> labels_, validation_labels_;
  Normalization normalization_;
  std::span<const std::uint32_t> rows_left_;  // of the epoch
  std::uint64_t step_ = 0;                    // the next
  Totals totals_;
  bool has_state_ = false;
};

CpuHead::CpuHead(const HeadOptions& options, ThreadPool& pool, const KernelTable& kernels)
    : options_(options), context_{pool, kernels} {
  const std::size_t most_rows = most_batch_rows(options);
  std::size_t workspace = 0;
  layers_.reserve(options.hidden.size() + 1);
  for (const DenseShape& shape : options.layers()) {
    layers_.emplace_back(shape, most_rows);
    workspace = std::max(workspace, layers_.back().workspace_size());
  }
  sums_ = AlignedFloats::uninitialised(workspace);
  inputs_.resize(std::max(most_rows, inference_rows));
  batch_labels_.resize(options.batch_size);
  for (std::size_t thread = 0; thread < pool.threads(); ++thread) {
    pieces_.push_back(make_piece_workspace(options));
  }
  logits_ = AlignedFloats::uninitialised(inference_rows * options.outputs());
}

void CpuHead::set_state(const HeadState& state) {
  check_state(state, options_);
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    layers_[layer].set_parameters(state.parameters[layer]);
    if (state.mean_squares.empty()) {
      layers_[layer].clear_mean_squares();
    } else {
      layers_[layer].set_mean_squares(state.mean_squares[layer]);
    }
  }
  has_state_ = true;
}

HeadState CpuHead::state() {
  check_has_state(has_state_);
  HeadState state;
  for (const DenseLayer& layer : layers_) {
    state.parameters.push_back(layer.parameters());
    state.mean_squares.push_back(layer.mean_squares());
  }
  return state;
}

void CpuHead::set_training_data(FeatureView features, std::span<const std::uint32_t> labels,
                                const Normalization& normalization) {
  check_features(features, labels, options_);
  check_normalization(normalization, options_);
  normalization_ = normalization;
  features_ = features;
  labels_ = labels;
  rows_left_ = {};
}

void CpuHead::begin_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step) {
  check_epoch(order, first_step, features_.rows, options_.batch_size);
  rows_left_ = order;
  step_ = first_step;
}

void CpuHead::train_step() {
  check_has_state(has_state_);
  check_rows_left(rows_left_.size());
  const auto rows = rows_left_.first(std::min(rows_left_.size(), options_.batch_size));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    inputs_[i] = features_.row(rows[i]);
    batch_labels_[i] = labels_[rows[i] / options_.views];
  }
  const float* logits = forward(rows.size(), &step_);
  const BatchLoss batch = loss(logits, batch_labels_.data(), rows.size(), layers_.back().delta());
  totals_.loss_sum += batch.loss_sum;
  totals_.correct += batch.correct;
  totals_.count += rows.size();
  backward(rows.size(), rmsprop_at(options_, step_++));
  rows_left_ = rows_left_.subspan(rows.size());
}

void CpuHead::set_validation_data(FeatureView features, std::span<const std::uint32_t> labels) {
  check_features(features, labels, options_);
  validation_ = features;
  validation_labels_ = labels;
}

Totals CpuHead::evaluate() {
  check_has_state(has_state_);
  check_has_validation(validation_);
  Totals totals;
  for_each_block(validation_, [&](std::size_t first, std::size_t photos, const float* logits) {
    const BatchLoss batch = loss(logits, validation_labels_.data() + first, photos, nullptr);
    totals.loss_sum += batch.loss_sum;
    totals.correct += batch.correct;
    totals.count += photos;
  });
  return totals;
}

void CpuHead::predict(FeatureView features, std::span<float> probabilities) {
  check_has_state(has_state_);
  check_features(features, options_);
  check_probabilities(probabilities.size(), features.rows / options_.views, options_.classes);
  for_each_block(features, [&](std::size_t first, std::size_t photos, const float* logits) {
    float* to = probabilities.data() + first * options_.classes;
    if (options_.classes == 2) {
      sigmoid_probabilities(logits, photos, to);
    } else {
      softmax_probabilities(logits, photos, options_.classes, to);
    }
  });
}

// block(first, photos, the mean logits of each)
template <typename Block>
void CpuHead::for_each_block(FeatureView features, const Block& block) {
  const std::size_t views = options_.views;
  const std::size_t block_rows = inference_rows / views * views;
  for (std::size_t first = 0; first < features.rows; first += block_rows) {
    const std::size_t rows = std::min(block_rows, features.rows - first);
    for (std::size_t i = 0; i < rows; ++i) inputs_[i] = features.row(first + i);
    const float* logits = rows <= few_rows ? forward(rows, nullptr) : infer(rows);
    if (views > 1) {
      mean_logits(logits, rows / views, views, options_.outputs(), logits_.data());
      logits = logits_.data();
    }
    block(first / views, rows / views, logits);
  }
}

// The same as forward() without dropout, for any number of rows up to inference_rows.
const float* CpuHead::infer(std::size_t rows) {
  const std::size_t threads = context_.pool.threads();
  const std::size_t least = divide_up(rows, piece_rows);
  const std::size_t pieces = round_up(least, threads);  // as many for each thread
  const auto piece = [&](std::size_t index, std::size_t thread) {
    const std::size_t first = index * rows / pieces;
    infer_piece(first, (index + 1) * rows / pieces - first, pieces_[thread]);
  };
  for_pieces(context_.pool, pieces, rows * options_.inputs * layers_.front().units(), piece);
  return logits_.data();
}

void CpuHead::infer_piece(std::size_t first, std::size_t rows, PieceWorkspace& workspace) {
  const float* const* inputs = inputs_.data() + first;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const bool hidden = layer + 1 < layers_.size();
    const Dropout mask = dropout_of(options_, layer, nullptr);
    float* outputs =
        hidden ? workspace.outputs[layer].data() : logits_.data() + first * options_.outputs();
    layers_[layer].infer(context_.kernels, inputs, rows, hidden ? &mask : nullptr,
                         workspace.packed.data(), outputs);
    if (hidden) inputs = workspace.rows[layer].data();
  }
}

// From inputs_ to the logits, rows × outputs.
const float* CpuHead::forward(std::size_t rows, const std::uint64_t* training_step) {
  const float* const* inputs = inputs_.data();
  const bool normalized = training_step != nullptr && !normalization_.scale.empty();
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const bool hidden = layer + 1 < layers_.size();
    const Dropout mask = dropout_of(options_, layer, training_step);
    layers_[layer].forward(context_, inputs, rows,
                           normalized && layer == 0 ? &normalization_ : nullptr,
                           hidden ? &mask : nullptr, sums_.data());
    inputs = layers_[layer].output_rows();
  }
  return layers_.back().outputs();
}

// From the gradient of the logits in the last layer's delta: the gradient of each layer before it,
// with the weights as the forward pass had them, then that layer's update.
void CpuHead::backward(std::size_t rows, const Rmsprop& rmsprop) {
  for (std::size_t layer = layers_.size(); layer-- > 0;) {
    if (layer > 0) {
      DenseLayer& before = layers_[layer - 1];
      layers_[layer].backward_inputs(context_, rows, before.delta());
      context_.kernels.relu_dropout_backward(before.delta(), before.outputs(),
                                             rows * before.units(), kept_scale(options_));
    }
    layers_[layer].update(context_, rows, rmsprop);
  }
}

BatchLoss CpuHead::loss(const float* logits, const std::uint32_t* labels, std::size_t rows,
                        float* gradient) const {
  const bool weighted = gradient != nullptr && !options_.class_weights.empty();
  const float* weights = weighted ? options_.class_weights.data() : nullptr;
  if (options_.classes == 2) return sigmoid_cross_entropy(logits, labels, rows, gradient, weights);
  return softmax_cross_entropy(logits, labels, rows, options_.classes, gradient, weights);
}

}  // namespace

std::unique_ptr<Head> make_cpu_head(const HeadOptions& options, ThreadPool& pool,
                                    const KernelTable& kernels) {
  check_options(options);
  check_head_memory(options, pool.threads());
  return std::make_unique<CpuHead>(options, pool, kernels);
}

}  // namespace graft::cpu
