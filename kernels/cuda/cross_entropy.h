#pragma once
// The last step of a head: loss and gradient of a batch, or probabilities.
// `weights`: on the device, a factor of each class for the loss and the gradient of its rows; null: 1.
// Bytes moved: 4 read for a class with weights.
//
// Sigmoid, two classes: one logit z per row, p = 1/(1 + exp(-z)), label t of 0 or 1.
// loss = max(z, 0) - z·t + log1p(exp(-|z|)); gradient = (p - t)/rows. Correct: (p > .5) is the label;
// exactly .5, and NaN, count as class 0. No exponential overflows, whatever the logit.
//   Bytes moved for a row: 8 read, 4 written with the gradient; 16 read and written once.
//
// Softmax, many classes: `classes` logits z per row, p = softmax, label t.
// loss = log Σ exp(z[c] - max) - (z[t] - max); gradient = (p[c] - (c == t))/rows. Correct: the largest
// p, as float, is the label's; of equal ones the first counts. The largest logit is subtracted first,
// so that no exponential overflows.
//   Bytes moved for a logit: 4 read (twice more from the cache) and 4 written with the gradient; for
//   a row 4 and 16 read, 16 written; 16 read and written once.
//
// In double, as kernels/cpu/cross_entropy.h: these are a few values per image. Sums are in a fixed
// order: over the lanes of a row's warp, then over the rows in one block.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/moved_bytes.h"

namespace graft::cuda {

// Sums on the device: the host fetches them once an epoch.
struct LossTotals {
  double loss_sum;  // over the rows, each times its weight
  std::uint64_t correct;
};

//   totals    on the device; the batch is added to it
//   gradient  rows floats, written when not null
void sigmoid_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                           const float* weights, float* gradient, LossTotals* totals,
                           cudaStream_t stream);

// probabilities[row] = {1 - p, p}. Bytes moved for a row: 4 read, 8 written.
void sigmoid_probabilities(const float* logits, std::size_t rows, float* probabilities,
                           cudaStream_t stream);

constexpr MovedBytes sigmoid_cross_entropy_bytes(std::size_t rows, bool with_gradient = true,
                                                 bool weighted = false) {
  return {(sizeof(float) + sizeof(std::uint32_t)) * rows + sizeof(LossTotals) +
              (weighted ? 2 * sizeof(float) : 0),
          (with_gradient ? sizeof(float) * rows : 0) + sizeof(LossTotals)};
}
constexpr MovedBytes sigmoid_probabilities_bytes(std::size_t rows) {
  return {sizeof(float) * rows, 2 * sizeof(float) * rows};
}

//   logits      rows × classes, classes ≥ 1
//   labels      rows, each below classes
//   gradient    rows × classes, written when not null
//   row_losses  workspace on the device: one for each row
//   totals      on the device; the batch is added to it
void softmax_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                           std::size_t classes, const float* weights, float* gradient,
                           LossTotals* row_losses, LossTotals* totals, cudaStream_t stream);

// probabilities: rows × classes. Bytes moved for a logit: 4 read, 4 written.
void softmax_probabilities(const float* logits, std::size_t rows, std::size_t classes,
                           float* probabilities, cudaStream_t stream);

// Bytes moved by both launches.
constexpr MovedBytes softmax_cross_entropy_bytes(std::size_t rows, std::size_t classes,
                                                 bool with_gradient = true, bool weighted = false) {
  const std::size_t logits = sizeof(float) * rows * classes;
  return {logits + (sizeof(std::uint32_t) + sizeof(LossTotals)) * rows + sizeof(LossTotals) +
              (weighted ? sizeof(float) * classes : 0),
          (with_gradient ? logits : 0) + sizeof(LossTotals) * (rows + 1)};
}
constexpr MovedBytes softmax_probabilities_bytes(std::size_t rows, std::size_t classes) {
  return {sizeof(float) * rows * classes, sizeof(float) * rows * classes};
}

// means[p][o]: the mean of logits[p·views + v][o] over v = 0, 1, … views-1, added in this order in
// double, rounded once, as kernels/cpu/cross_entropy.h. Does not overlap the logits.
// Bytes moved for a mean: 4·views read, 4 written.
void mean_logits(const float* logits, std::size_t photos, std::size_t views, std::size_t outputs,
                 float* means, cudaStream_t stream);

constexpr MovedBytes mean_logits_bytes(std::size_t photos, std::size_t views, std::size_t outputs) {
  return {sizeof(float) * photos * views * outputs, sizeof(float) * photos * outputs};
}

}  // namespace graft::cuda
