#pragma once
// The last step of a head: probabilities, loss and gradient from the logits of a batch.
// `weights`: a factor of each class for the loss and the gradient of its rows; null: 1. The gradient is
// divided by the number of rows, not by the sum of weights, as Keras does.
//
// These are a few values per image, so they are computed in double with the C library's exp, log
// and log1p and compiled once, not per Isa: they cost microseconds, and the result is the same on
// every vector unit. float is used where Keras uses it: in the probability that decides the class.

#include <cstddef>
#include <cstdint>

namespace graft::cpu {

struct BatchLoss {
  double loss_sum = 0.0;  // over the rows, each times its weight
  std::uint64_t correct = 0;
};

// Two classes, one logit z per row, p = 1/(1 + exp(-z)), label t of 0 or 1.
// loss = max(z, 0) - z·t + log1p(exp(-|z|)); gradient = (p - t)/rows, written when not null.
// Correct: (p > .5) is the label; exactly .5, and NaN, count as class 0.
BatchLoss sigmoid_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                float* gradient, const float* weights = nullptr);
// probabilities[row] = {1 - p, p}.
void sigmoid_probabilities(const float* logits, std::size_t rows, float* probabilities);

// `classes` logits per row, p = softmax, label t. loss = log Σ exp(z[c] - max) - (z[t] - max);
// gradient = (p[c] - (c == t))/rows, written when not null. Correct: the largest p is the label's;
// of equal ones the first counts.
BatchLoss softmax_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                std::size_t classes, float* gradient,
                                const float* weights = nullptr);
void softmax_probabilities(const float* logits, std::size_t rows, std::size_t classes,
                           float* probabilities);

// means[p][o]: the mean of logits[p·views + v][o] over v = 0, 1, … views-1, added in this order in
// double, rounded once. `means` may be `logits`.
void mean_logits(const float* logits, std::size_t photos, std::size_t views, std::size_t outputs,
                 float* means);

}  // namespace graft::cpu
