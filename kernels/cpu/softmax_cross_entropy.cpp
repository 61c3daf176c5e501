// Softmax and categorical cross-entropy from logits. The largest logit is taken off first, so that
// no exponential overflows.

#include <cmath>

#include "kernels/cpu/cross_entropy.h"

namespace graft::cpu {

namespace {

double largest(const float* logits, std::size_t classes) {
  double value = logits[0];
  for (std::size_t c = 1; c < classes; ++c) {
    if (logits[c] > value) value = logits[c];
  }
  return value;
}

double sum_of_exponentials(const float* logits, std::size_t classes, double shift) {
  double sum = 0.0;
  for (std::size_t c = 0; c < classes; ++c) sum += std::exp(logits[c] - shift);
  return sum;
}

}  // namespace

BatchLoss softmax_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                std::size_t classes, float* gradient) {
  BatchLoss batch;
  for (std::size_t row = 0; row < rows; ++row, logits += classes) {
    const std::uint32_t label = labels[row];
    const double shift = largest(logits, classes);
    const double sum = sum_of_exponentials(logits, classes, shift);
    batch.loss_sum += std::log(sum) - (logits[label] - shift);
    std::size_t predicted = 0;
    float best = static_cast<float>(std::exp(logits[0] - shift) / sum);
    for (std::size_t c = 0; c < classes; ++c) {
      const double probability = std::exp(logits[c] - shift) / sum;
      if (static_cast<float>(probability) > best) {
        best = static_cast<float>(probability);
        predicted = c;
      }
      if (gradient != nullptr) {
        const double target = c == label ? 1.0 : 0.0;
        gradient[row * classes + c] =
            static_cast<float>((probability - target) / static_cast<double>(rows));
      }
    }
    batch.correct += predicted == label ? 1 : 0;
  }
  return batch;
}

void softmax_probabilities(const float* logits, std::size_t rows, std::size_t classes,
                           float* probabilities) {
  for (std::size_t row = 0; row < rows; ++row, logits += classes, probabilities += classes) {
    const double shift = largest(logits, classes);
    const double sum = sum_of_exponentials(logits, classes, shift);
    for (std::size_t c = 0; c < classes; ++c) {
      probabilities[c] = static_cast<float>(std::exp(logits[c] - shift) / sum);
    }
  }
}

}  // namespace graft::cpu
