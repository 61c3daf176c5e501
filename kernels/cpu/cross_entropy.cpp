// Cross-entropy from logits. No exponential overflows: the sigmoid takes one of a negative number, and
// softmax subtracts the largest logit first.

#include "kernels/cpu/cross_entropy.h"

#include <algorithm>
#include <cmath>

namespace graft::cpu {
namespace {

double sigmoid(double logit) {
  if (logit >= 0.0) return 1.0 / (1.0 + std::exp(-logit));
  const double small = std::exp(logit);
  return small / (1.0 + small);
}

double sum_of_exponentials(const float* logits, std::size_t classes, double shift) {
  double sum = 0.0;
  for (std::size_t c = 0; c < classes; ++c) sum += std::exp(logits[c] - shift);
  return sum;
}

}  // namespace

BatchLoss sigmoid_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                float* gradient, const float* weights) {
  BatchLoss batch;
  for (std::size_t row = 0; row < rows; ++row) {
    const double logit = logits[row];
    const double target = labels[row];
    const double weight = weights != nullptr ? weights[labels[row]] : 1.0;
    const double probability = sigmoid(logit);
    const double above = logit > 0.0 ? logit : 0.0;
    batch.loss_sum += weight * (above - logit * target + std::log1p(std::exp(-std::abs(logit))));
    const std::uint32_t predicted = static_cast<float>(probability) > 0.5F ? 1 : 0;
    batch.correct += predicted == labels[row] ? 1 : 0;
    if (gradient != nullptr) {
      gradient[row] =
          static_cast<float>(weight * (probability - target) / static_cast<double>(rows));
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

BatchLoss softmax_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                std::size_t classes, float* gradient, const float* weights) {
  BatchLoss batch;
  for (std::size_t row = 0; row < rows; ++row, logits += classes) {
    const std::uint32_t label = labels[row];
    const double weight = weights != nullptr ? weights[label] : 1.0;
    const double shift = *std::max_element(logits, logits + classes);
    const double sum = sum_of_exponentials(logits, classes, shift);
    batch.loss_sum += weight * (std::log(sum) - (logits[label] - shift));
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
            static_cast<float>(weight * (probability - target) / static_cast<double>(rows));
      }
    }
    batch.correct += predicted == label ? 1 : 0;
  }
  return batch;
}

void softmax_probabilities(const float* logits, std::size_t rows, std::size_t classes,
                           float* probabilities) {
  for (std::size_t row = 0; row < rows; ++row, logits += classes, probabilities += classes) {
    const double shift = *std::max_element(logits, logits + classes);
    const double sum = sum_of_exponentials(logits, classes, shift);
    for (std::size_t c = 0; c < classes; ++c) {
      probabilities[c] = static_cast<float>(std::exp(logits[c] - shift) / sum);
    }
  }
}

void mean_logits(const float* logits, std::size_t photos, std::size_t views, std::size_t outputs,
                 float* means) {
  for (std::size_t photo = 0; photo < photos; ++photo) {
    for (std::size_t output = 0; output < outputs; ++output) {
      double sum = 0.0;
      for (std::size_t view = 0; view < views; ++view) {
        sum += logits[(photo * views + view) * outputs + output];
      }
      means[photo * outputs + output] = static_cast<float>(sum / static_cast<double>(views));
    }
  }
}

}  // namespace graft::cpu
