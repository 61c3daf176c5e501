#pragma once
// The last step of a head of many classes: `classes` logits z per row, p = softmax, label t.
// loss = log Σ exp(z[c] - max) - (z[t] - max); gradient = (p[c] - (c == t))/rows. Correct: the
// largest p, as float, is the label's; of equal ones the first counts. The largest logit is taken
// off first, so that no exponential overflows.
//
// In double, as kernels/cpu/cross_entropy.h. Sums are in a fixed order: over the lanes of a row's
// warp, then over the rows in one block.
//
// Bytes moved for a logit: 4 read (twice more from the cache) and 4 written with the gradient; for a row 4 and 16
// read, 16 written; 16 read and written once.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/loss_totals.h"
#include "kernels/cuda/moved_bytes.h"

namespace graft::cuda {

//   logits      rows × classes, classes ≥ 1
//   labels      rows, each below classes
//   gradient    rows × classes, written when not null
//   row_losses  workspace on the device: one for each row
//   totals      on the device; the batch is added to it
void softmax_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                           std::size_t classes, float* gradient, LossTotals* row_losses,
                           LossTotals* totals, cudaStream_t stream);

// probabilities: rows × classes. Bytes moved for a logit: 4 read, 4 written.
void softmax_probabilities(const float* logits, std::size_t rows, std::size_t classes,
                           float* probabilities, cudaStream_t stream);

// Bytes moved by both launches.
constexpr MovedBytes softmax_cross_entropy_bytes(std::size_t rows, std::size_t classes,
                                                 bool with_gradient = true) {
  const std::size_t logits = sizeof(float) * rows * classes;
  return {logits + (sizeof(std::uint32_t) + sizeof(LossTotals)) * rows + sizeof(LossTotals),
          (with_gradient ? logits : 0) + sizeof(LossTotals) * (rows + 1)};
}
constexpr MovedBytes softmax_probabilities_bytes(std::size_t rows, std::size_t classes) {
  return {sizeof(float) * rows * classes, sizeof(float) * rows * classes};
}

}  // namespace graft::cuda
