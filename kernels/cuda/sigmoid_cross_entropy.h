#pragma once
// The last step of a head of two classes: one logit z per row, p = 1/(1 + exp(-z)), label t of 0
// or 1. loss = max(z, 0) - z·t + log1p(exp(-|z|)); gradient = (p - t)/rows. Correct: (p > .5) is
// the label; exactly .5, and NaN, count as class 0. No exponential overflows, whatever the logit.
//
// In double, as kernels/cpu/cross_entropy.h: these are a few values per image. One block sums the
// losses in a fixed order.
//
// Bytes moved for a row: 8 read, 4 written with the gradient; 16 read and written once.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/loss_totals.h"
#include "kernels/cuda/moved_bytes.h"

namespace graft::cuda {

//   totals    on the device; the batch is added to it
//   gradient  rows floats, written when not null
void sigmoid_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                           float* gradient, LossTotals* totals, cudaStream_t stream);

// probabilities[row] = {1 - p, p}. Bytes moved for a row: 4 read, 8 written.
void sigmoid_probabilities(const float* logits, std::size_t rows, float* probabilities,
                           cudaStream_t stream);

constexpr MovedBytes sigmoid_cross_entropy_bytes(std::size_t rows, bool with_gradient = true) {
  return {(sizeof(float) + sizeof(std::uint32_t)) * rows + sizeof(LossTotals),
          (with_gradient ? sizeof(float) * rows : 0) + sizeof(LossTotals)};
}
constexpr MovedBytes sigmoid_probabilities_bytes(std::size_t rows) {
  return {sizeof(float) * rows, 2 * sizeof(float) * rows};
}

}  // namespace graft::cuda
