#include "tests/reference/head.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/philox.h"

namespace graft::reference {
namespace {

// RMSprop on one value, rounded to float at the end.
void rmsprop(double& value, float& mean_square, double gradient, double learning_rate,
             const OptimizerConfig& o) {
  const double a = o.rho * static_cast<double>(mean_square) + (1.0 - o.rho) * gradient * gradient;
  const double root = o.epsilon_inside_sqrt ? std::sqrt(a + o.epsilon) : std::sqrt(a) + o.epsilon;
  mean_square = static_cast<float>(a);
  value = static_cast<float>(value - learning_rate * gradient / root);
}

// Of a row of logits: the probability of each class.
std::vector<double> probabilities_of(const std::vector<double>& logits) {
  if (logits.size() == 1) {
    const double p = 1.0 / (1.0 + std::exp(-logits[0]));
    return {1.0 - p, p};
  }
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> result;
  double sum = 0.0;
  for (const double logit : logits) sum += result.emplace_back(std::exp(logit - largest));
  for (double& value : result) value /= sum;
  return result;
}

double cross_entropy(const std::vector<double>& logits, std::uint32_t label) {
  if (logits.size() == 1) {
    const double z = logits[0];
    return std::max(z, 0.0) - z * label + std::log1p(std::exp(-std::abs(z)));
  }
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const double logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum) - logits[label];
}

std::uint32_t predicted(const std::vector<double>& logits) {
  const auto p = probabilities_of(logits);
  if (logits.size() == 1) return p[1] > 0.5 ? 1 : 0;
  return static_cast<std::uint32_t>(std::max_element(p.begin(), p.end()) - p.begin());
}

std::vector<double> row_of(const FeatureView& features, std::size_t index) {
  return {features.row(index), features.row(index) + features.columns};
}

}  // namespace

ReferenceHead::ReferenceHead(HeadOptions options, std::function<void(std::string_view)> before)
    : options_(std::move(options)), before_(std::move(before)) {}

void ReferenceHead::announce(std::string_view call) const {
  if (before_) before_(call);
}

ReferenceHead::Matrix ReferenceHead::dense(const Matrix& rows, const Layer& layer) const {
  const std::size_t units = layer.bias.size();
  Matrix outputs(rows.size(), layer.bias);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (std::size_t i = 0; i < rows[row].size(); ++i) {
      for (std::size_t unit = 0; unit < units; ++unit) {
        outputs[row][unit] += rows[row][i] * layer.kernel[i * units + unit];
      }
    }
  }
  return outputs;
}

void ReferenceHead::relu_dropout(Matrix& values, std::size_t layer,
                                 std::optional<std::uint64_t> step) {
  for (std::size_t row = 0; row < values.size(); ++row) {
    for (std::size_t unit = 0; unit < values[row].size(); ++unit) {
      double& value = values[row][unit];
      signs_.push_back(value > 0.0);
      if (value <= 0.0) value = 0.0;  // NaN stays
      if (!step) continue;
      const RandomStream stream{options_.seed, RandomPurpose::dropout,
                                static_cast<std::uint32_t>(layer), *step};
      const float u = uniform_from_word(random_word(stream, row * values[row].size() + unit));
      value = u < options_.dropout ? 0.0 : value * keep_scale();
    }
  }
}

ReferenceHead::Activations ReferenceHead::forward(Matrix rows, std::optional<std::uint64_t> step) {
  Activations result;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    Matrix outputs = dense(rows, layers_[layer]);
    if (layer + 1 < layers_.size()) relu_dropout(outputs, layer, step);
    result.inputs.push_back(std::exchange(rows, std::move(outputs)));
  }
  result.logits = std::move(rows);
  return result;
}

ReferenceHead::Matrix ReferenceHead::loss_gradient(const Matrix& logits,
                                                   std::span<const std::uint32_t> labels,
                                                   bool weighted, Totals& totals) const {
  Matrix gradient;
  for (std::size_t row = 0; row < logits.size(); ++row) {
    const double weight = weight_of(labels[row], weighted);
    totals.loss_sum += weight * cross_entropy(logits[row], labels[row]);
    totals.correct += predicted(logits[row]) == labels[row] ? 1 : 0;
    ++totals.count;
    auto p = probabilities_of(logits[row]);
    p[labels[row]] -= 1.0;
    if (logits[row].size() == 1) p = {p[1]};
    for (double& value : p) value *= weight / static_cast<double>(logits.size());
    gradient.push_back(std::move(p));
  }
  return gradient;
}

ReferenceHead::Matrix ReferenceHead::gradient_of_inputs(const Matrix& gradient,
                                                        const Matrix& inputs,
                                                        const Layer& layer) const {
  const std::size_t units = layer.bias.size();
  Matrix result(inputs.size(), std::vector<double>(inputs.front().size()));
  for (std::size_t row = 0; row < inputs.size(); ++row) {
    for (std::size_t i = 0; i < inputs[row].size(); ++i) {
      for (std::size_t unit = 0; unit < units; ++unit) {
        result[row][i] += gradient[row][unit] * layer.kernel[i * units + unit];
      }
      // An input of 0 was cut by ReLU or dropout; any other was scaled by 1/(1 − rate).
      result[row][i] *= inputs[row][i] > 0.0 ? keep_scale() : 0.0;
    }
  }
  return result;
}

double ReferenceHead::learning_rate(std::uint64_t step) const {
  const double first = options_.optimizer.learning_rate;
  if (options_.steps == 0) return first;
  if (step >= options_.steps) return 0.0;
  return first * (1.0 - static_cast<double>(step) / static_cast<double>(options_.steps));
}

void ReferenceHead::update(std::size_t layer, const Matrix& inputs, const Matrix& gradient,
                           double rate) {
  auto& [kernel, bias] = layers_[layer];
  DenseParameters& squares = mean_squares_[layer];
  for (std::size_t unit = 0; unit < bias.size(); ++unit) {
    double of_bias = 0.0;
    for (const auto& row : gradient) of_bias += row[unit];
    rmsprop(bias[unit], squares.bias[unit], of_bias, rate, options_.optimizer);
    for (std::size_t i = 0; i < inputs.front().size(); ++i) {
      double of_weight = 0.0;
      for (std::size_t row = 0; row < gradient.size(); ++row) {
        of_weight += inputs[row][i] * gradient[row][unit];
      }
      const std::size_t index = i * bias.size() + unit;
      rmsprop(kernel[index], squares.kernel[index], of_weight, rate, options_.optimizer);
    }
  }
}

void ReferenceHead::backward(const Activations& activations, Matrix gradient, double rate) {
  for (std::size_t layer = layers_.size(); layer-- > 0;) {
    const Matrix& inputs = activations.inputs[layer];
    Matrix below = gradient_of_inputs(gradient, inputs, layers_[layer]);
    update(layer, inputs, gradient, rate);
    gradient = std::move(below);
  }
}

void ReferenceHead::set_state(const HeadState& state) {
  layers_.clear();
  for (const DenseParameters& layer : state.parameters) {
    layers_.push_back(
        {{layer.kernel.begin(), layer.kernel.end()}, {layer.bias.begin(), layer.bias.end()}});
  }
  mean_squares_ = state.mean_squares;
}

HeadState ReferenceHead::state() {
  announce("state");
  HeadState state;
  for (const auto& [kernel, bias] : layers_) {
    state.parameters.push_back({kernel.size() / bias.size(),
                                bias.size(),
                                {kernel.begin(), kernel.end()},
                                {bias.begin(), bias.end()}});
  }
  state.mean_squares = mean_squares_;
  return state;
}

void ReferenceHead::set_training_data(FeatureView features, std::span<const std::uint32_t> labels,
                                      const Normalization& normalization) {
  features_ = features;
  normalization_ = normalization;
  labels_ = labels;
}

void ReferenceHead::begin_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step) {
  rows_left_ = order;
  step_ = first_step;
}

void ReferenceHead::train_step() {
  announce("train_step");
  const auto rows = rows_left_.first(std::min(rows_left_.size(), options_.batch_size));
  rows_left_ = rows_left_.subspan(rows.size());
  Matrix inputs;
  std::vector<std::uint32_t> labels;
  for (const std::uint32_t row : rows) {
    inputs.push_back(row_of(features_, row));
    for (std::size_t i = 0; i < normalization_.scale.size(); ++i) {
      const float value = features_.row(row)[i] - normalization_.mean[i];
      inputs.back()[i] = value * normalization_.scale[i];
    }
    labels.push_back(labels_[row / options_.views]);
  }
  const Activations activations = forward(std::move(inputs), step_);
  backward(activations, loss_gradient(activations.logits, labels, true, totals_),
           learning_rate(step_++));
}

Totals ReferenceHead::take_totals() {
  announce("take_totals");
  return std::exchange(totals_, {});
}

std::vector<double> ReferenceHead::logits_of(FeatureView features, std::size_t photo) {
  std::vector<double> mean(options_.outputs());
  for (std::size_t view = 0; view < options_.views; ++view) {
    const Matrix logits = forward({row_of(features, photo * options_.views + view)}, {}).logits;
    for (std::size_t o = 0; o < mean.size(); ++o) {
      mean[o] += logits[0][o] / static_cast<double>(options_.views);
    }
  }
  return mean;
}

double ReferenceHead::weight_of(std::uint32_t label, bool weighted) const {
  return weighted && !options_.class_weights.empty() ? options_.class_weights[label] : 1.0;
}

void ReferenceHead::set_validation_data(FeatureView features,
                                        std::span<const std::uint32_t> labels) {
  validation_ = features;
  validation_labels_ = labels;
}

Totals ReferenceHead::evaluate() {
  announce("evaluate");
  Totals totals;
  for (std::size_t photo = 0; photo < validation_labels_.size(); ++photo) {
    loss_gradient({logits_of(validation_, photo)}, validation_labels_.subspan(photo, 1), false,
                  totals);
  }
  return totals;
}

void ReferenceHead::predict(FeatureView features, std::span<float> probabilities) {
  for (std::size_t photo = 0; photo < features.rows / options_.views; ++photo) {
    const auto p = probabilities_of(logits_of(features, photo));
    for (std::size_t c = 0; c < p.size(); ++c) {
      probabilities[photo * p.size() + c] = static_cast<float>(p[c]);
    }
  }
}

double ReferenceHead::loss(FeatureView features, std::span<const std::uint32_t> labels,
                           std::optional<std::uint64_t> step) {
  Matrix rows;
  for (std::size_t row = 0; row < features.rows; ++row) rows.push_back(row_of(features, row));
  const Activations activations = forward(std::move(rows), step);
  double sum = 0.0;
  for (std::size_t row = 0; row < features.rows; ++row) {
    sum += weight_of(labels[row], true) * cross_entropy(activations.logits[row], labels[row]);
  }
  return sum / static_cast<double>(features.rows);
}

std::vector<bool> ReferenceHead::take_signs() {
  return std::exchange(signs_, {});
}

}  // namespace graft::reference
