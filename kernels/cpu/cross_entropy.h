#pragma once
// The last step of a head: probabilities, loss and gradient from the logits of a batch.
//
// These are a few values per image, so they are computed in double with the C library's exp, log
// and log1p and compiled once, not per Isa: they cost microseconds, and the result is the same on
// every vector unit. float is used where Keras uses it: in the probability that decides the class.

#include <cstddef>
#include <cstdint>

namespace graft::cpu {

struct BatchLoss {
  double loss_sum = 0.0;  // over the rows
  std::uint64_t correct = 0;
};

// Two classes, one logit z per row, p = 1/(1 + exp(-z)), label t of 0 or 1.
// loss = max(z, 0) - z·t + log1p(exp(-|z|)); gradient = (p - t)/rows, written when not null.
// Correct: (p > .5) is the label; exactly .5, and NaN, count as class 0.
BatchLoss sigmoid_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                float* gradient);
// probabilities[row] = {1 - p, p}.
void sigmoid_probabilities(const float* logits, std::size_t rows, float* probabilities);

// `classes` logits per row, p = softmax, label t. loss = log Σ exp(z[c] - max) - (z[t] - max);
// gradient = (p[c] - (c == t))/rows, written when not null. Correct: the largest p is the label's;
// of equal ones the first counts.
BatchLoss softmax_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                std::size_t classes, float* gradient);
void softmax_probabilities(const float* logits, std::size_t rows, std::size_t classes,
                           float* probabilities);

}  // namespace graft::cpu
