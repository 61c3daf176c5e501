// Sigmoid and binary cross-entropy from logits: no exponential overflows, whatever the logit.

#include <cmath>

#include "kernels/cpu/cross_entropy.h"

namespace graft::cpu {

namespace {

double sigmoid(double logit) {
  if (logit >= 0.0) return 1.0 / (1.0 + std::exp(-logit));
  const double small = std::exp(logit);
  return small / (1.0 + small);
}

}  // namespace

BatchLoss sigmoid_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                float* gradient) {
  BatchLoss batch;
  for (std::size_t row = 0; row < rows; ++row) {
    const double logit = logits[row];
    const double target = labels[row];
    const double probability = sigmoid(logit);
    const double above = logit > 0.0 ? logit : 0.0;
    batch.loss_sum += above - logit * target + std::log1p(std::exp(-std::abs(logit)));
    const std::uint32_t predicted = static_cast<float>(probability) > 0.5F ? 1 : 0;
    batch.correct += predicted == labels[row] ? 1 : 0;
    if (gradient != nullptr) {
      gradient[row] = static_cast<float>((probability - target) / static_cast<double>(rows));
    }
  }
  return batch;
}

void sigmoid_probabilities(const float* logits, std::size_t rows, float* probabilities) {
  for (std::size_t row = 0; row < rows; ++row) {
    probabilities[2 * row] = static_cast<float>(sigmoid(-static_cast<double>(logits[row])));
    probabilities[2 * row + 1] = static_cast<float>(sigmoid(logits[row]));
  }
}

}  // namespace graft::cpu
