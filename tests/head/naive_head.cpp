#include "naive_head.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/philox.h"

namespace graft::test {
namespace {

// RMSprop on one value, in double, rounded to float at the end.
void rmsprop(float& value, float& mean_square, double gradient, const OptimizerConfig& o) {
  const double a = o.rho * static_cast<double>(mean_square) + (1.0 - o.rho) * gradient * gradient;
  const double root = o.epsilon_inside_sqrt ? std::sqrt(a + o.epsilon) : std::sqrt(a) + o.epsilon;
  mean_square = static_cast<float>(a);
  value = static_cast<float>(static_cast<double>(value) - o.learning_rate * gradient / root);
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

NaiveHead::Activations NaiveHead::forward(const Matrix& rows,
                                          const std::uint64_t* training_step) const {
  Activations result;
  Matrix values = rows;
  for (std::size_t layer = 0; layer < state_.parameters.size(); ++layer) {
    const DenseParameters& dense = state_.parameters[layer];
    const bool hidden = layer + 1 < state_.parameters.size();
    Matrix outputs(rows.size(), std::vector<double>(dense.outputs));
    for (std::size_t row = 0; row < rows.size(); ++row) {
      for (std::size_t unit = 0; unit < dense.outputs; ++unit) {
        double sum = dense.bias[unit];
        for (std::size_t i = 0; i < dense.inputs; ++i) {
          sum += values[row][i] * static_cast<double>(dense.kernel[i * dense.outputs + unit]);
        }
        if (hidden) sum = std::isnan(sum) ? sum : std::max(sum, 0.0);
        if (hidden && training_step != nullptr) {
          const RandomStream stream{options_.seed, RandomPurpose::dropout,
                                    static_cast<std::uint32_t>(layer), *training_step};
          const float u = uniform_from_word(random_word(stream, row * dense.outputs + unit));
          sum = u < options_.dropout ? 0.0 : sum * keep_scale();
        }
        outputs[row][unit] = sum;
      }
    }
    result.inputs.push_back(std::move(values));
    values = std::move(outputs);
  }
  result.logits = std::move(values);
  return result;
}

NaiveHead::Matrix NaiveHead::loss_gradient(const Matrix& logits,
                                           const std::vector<std::uint32_t>& labels,
                                           Totals& totals) const {
  Matrix gradient;
  for (std::size_t row = 0; row < logits.size(); ++row) {
    totals.loss_sum += cross_entropy(logits[row], labels[row]);
    totals.correct += predicted(logits[row]) == labels[row] ? 1 : 0;
    ++totals.count;
    auto p = probabilities_of(logits[row]);
    p[labels[row]] -= 1.0;
    if (logits[row].size() == 1) p = {p[1]};
    for (double& value : p) value /= static_cast<double>(logits.size());
    gradient.push_back(std::move(p));
  }
  return gradient;
}

void NaiveHead::backward(const Activations& activations, Matrix gradient) {
  for (std::size_t layer = state_.parameters.size(); layer-- > 0;) {
    DenseParameters& dense = state_.parameters[layer];
    DenseParameters& squares = state_.mean_squares[layer];
    const Matrix& inputs = activations.inputs[layer];
    Matrix of_inputs(gradient.size(), std::vector<double>(dense.inputs));
    for (std::size_t row = 0; row < gradient.size(); ++row) {
      for (std::size_t i = 0; i < dense.inputs; ++i) {
        for (std::size_t unit = 0; unit < dense.outputs; ++unit) {
          of_inputs[row][i] +=
              gradient[row][unit] * static_cast<double>(dense.kernel[i * dense.outputs + unit]);
        }
        // An input of 0 was cut by ReLU or dropout; any other was scaled by 1/(1 − rate).
        of_inputs[row][i] *= inputs[row][i] > 0.0 ? keep_scale() : 0.0;
      }
    }
    for (std::size_t unit = 0; unit < dense.outputs; ++unit) {
      double of_bias = 0.0;
      for (const auto& row : gradient) of_bias += row[unit];
      rmsprop(dense.bias[unit], squares.bias[unit], of_bias, options_.optimizer);
      for (std::size_t i = 0; i < dense.inputs; ++i) {
        double of_weight = 0.0;
        for (std::size_t row = 0; row < gradient.size(); ++row) {
          of_weight += inputs[row][i] * gradient[row][unit];
        }
        const std::size_t index = i * dense.outputs + unit;
        rmsprop(dense.kernel[index], squares.kernel[index], of_weight, options_.optimizer);
      }
    }
    gradient = std::move(of_inputs);
  }
}

HeadState NaiveHead::state() {
  before_("state");
  return state_;
}

void NaiveHead::set_training_data(FeatureView features, std::span<const std::uint32_t> labels) {
  features_ = features;
  labels_ = labels;
}

void NaiveHead::train_step(std::span<const std::uint32_t> rows, std::uint64_t step) {
  before_("train_step");
  Matrix inputs;
  std::vector<std::uint32_t> labels;
  for (const std::uint32_t row : rows) {
    inputs.push_back(row_of(features_, row));
    labels.push_back(labels_[row]);
  }
  const Activations activations = forward(inputs, &step);
  backward(activations, loss_gradient(activations.logits, labels, totals_));
}

Totals NaiveHead::take_totals() {
  before_("take_totals");
  return std::exchange(totals_, {});
}

Totals NaiveHead::evaluate(FeatureView features, std::span<const std::uint32_t> labels) {
  before_("evaluate");
  Totals totals;
  for (std::size_t row = 0; row < features.rows; ++row) {
    loss_gradient(forward({row_of(features, row)}, nullptr).logits, {labels[row]}, totals);
  }
  return totals;
}

void NaiveHead::predict(FeatureView features, std::span<float> probabilities) {
  for (std::size_t row = 0; row < features.rows; ++row) {
    const auto p = probabilities_of(forward({row_of(features, row)}, nullptr).logits[0]);
    for (std::size_t c = 0; c < p.size(); ++c) {
      probabilities[row * p.size() + c] = static_cast<float>(p[c]);
    }
  }
}

}  // namespace graft::test
