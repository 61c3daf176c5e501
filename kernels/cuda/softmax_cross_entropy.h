#pragma once
// The last step of a head of many classes: `classes` logits z per row, p = softmax, label t.
// loss = log Σ exp(z[c] - max) - (z[t] - max); gradient = (p[c] - (c == t))/rows. Correct: the
// largest p, as float, is the label's; of equal ones the first counts. The largest logit is taken
// off first, so that no exponential overflows.
//
// In double, as kernels/cpu/cross_entropy.h. Sums are in a fixed order: over the lanes of a row's
// warp, then over the rows in one block.
//
// Bytes moved for a logit: 4 read (twice more from the cache) and 4 written; for a row 4 and 16
// read, 16 written.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/loss_totals.h"

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

}  // namespace graft::cuda
