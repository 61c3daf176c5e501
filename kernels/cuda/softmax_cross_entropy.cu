// A warp works on a row, three times over its logits: the largest, the sum of exponentials, the
// probabilities. A NaN makes the sum NaN, and with it the whole row.

#include "kernels/cuda/check.h"
#include "kernels/cuda/loss_sum.cuh"
#include "kernels/cuda/softmax_cross_entropy.h"

namespace graft::cuda {

namespace {

constexpr unsigned warp_threads = 32;
constexpr unsigned rows_per_block = 4;
constexpr unsigned block_threads = rows_per_block * warp_threads;
constexpr unsigned sum_threads = 256;
constexpr unsigned whole_warp = 0xFFFFFFFFU;

struct Row {
  const float* logits;
  double shift;  // the largest logit
  double sum;    // of exp(logit - shift)
  __device__ double probability(std::size_t c) const { return exp(logits[c] - shift) / sum; }
};

__device__ __forceinline__ std::size_t row_of_warp() {
  return std::size_t{blockIdx.x} * rows_per_block + threadIdx.x / warp_threads;
}
__device__ __forceinline__ unsigned lane() {
  return threadIdx.x % warp_threads;
}

__device__ __forceinline__ Row prepare(const float* logits, std::size_t classes) {
  float largest = -INFINITY;
  for (std::size_t c = lane(); c < classes; c += warp_threads) largest = fmaxf(largest, logits[c]);
  for (unsigned mask = warp_threads / 2; mask > 0; mask /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(whole_warp, largest, mask));
  }
  const double shift = largest;
  double sum = 0.0;
  for (std::size_t c = lane(); c < classes; c += warp_threads) sum += exp(logits[c] - shift);
  for (unsigned mask = warp_threads / 2; mask > 0; mask /= 2) {
    sum += __shfl_xor_sync(whole_warp, sum, mask);
  }
  return {logits, shift, sum};
}

// The class with the largest probability. NaN is larger than nothing: a row of them is class 0.
struct Best {
  float probability;
  std::size_t index;
};
__device__ __forceinline__ Best best_of_warp(Best best) {
  for (unsigned mask = warp_threads / 2; mask > 0; mask /= 2) {
    const Best other = {__shfl_xor_sync(whole_warp, best.probability, mask),
                        __shfl_xor_sync(whole_warp, best.index, mask)};
    if (other.probability > best.probability ||
        (other.probability == best.probability && other.index < best.index)) {
      best = other;
    }
  }
  return best;
}

__global__ void __launch_bounds__(block_threads)
    softmax_cross_entropy_kernel(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                 std::size_t classes, float* gradient, LossTotals* row_losses) {
  const std::size_t index = row_of_warp();
  if (index >= rows) return;  // the whole warp
  const std::uint32_t label = labels[index];
  const Row row = prepare(logits + index * classes, classes);
  Best best = {-1.0F, 0};
  for (std::size_t c = lane(); c < classes; c += warp_threads) {
    const double probability = row.probability(c);
    if (static_cast<float>(probability) > best.probability) {
      best = {static_cast<float>(probability), c};
    }
    if (gradient != nullptr) {
      const double target = c == label ? 1.0 : 0.0;
      gradient[index * classes + c] =
          static_cast<float>((probability - target) / static_cast<double>(rows));
    }
  }
  best = best_of_warp(best);
  if (lane() != 0) return;
  const double loss = log(row.sum) - (row.logits[label] - row.shift);
  row_losses[index] = {loss, best.index == label ? std::uint64_t{1} : std::uint64_t{0}};
}

__global__ void __launch_bounds__(sum_threads)
    add_row_losses_kernel(const LossTotals* row_losses, std::size_t rows, LossTotals* totals) {
  LossTotals mine = {0.0, 0};
  for (std::size_t row = threadIdx.x; row < rows; row += sum_threads) add(mine, row_losses[row]);
  add_block<sum_threads>(totals, mine);
}

__global__ void __launch_bounds__(block_threads)
    softmax_probabilities_kernel(const float* logits, std::size_t rows, std::size_t classes,
                                 float* probabilities) {
  const std::size_t index = row_of_warp();
  if (index >= rows) return;  // the whole warp
  const Row row = prepare(logits + index * classes, classes);
  // A few classes, and a quotient in double: unrolled it would spill.
#pragma unroll 1
  for (std::size_t c = lane(); c < classes; c += warp_threads) {
    probabilities[index * classes + c] = static_cast<float>(row.probability(c));
  }
}

}  // namespace

void softmax_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                           std::size_t classes, float* gradient, LossTotals* row_losses,
                           LossTotals* totals, cudaStream_t stream) {
  if (rows == 0) return;
  softmax_cross_entropy_kernel<<<blocks_for(rows, rows_per_block), block_threads, 0, stream>>>(
      logits, labels, rows, classes, gradient, row_losses);
  GRAFT_CUDA_CHECK_LAUNCH("softmax_cross_entropy");
  add_row_losses_kernel<<<1, sum_threads, 0, stream>>>(row_losses, rows, totals);
  GRAFT_CUDA_CHECK_LAUNCH("add_row_losses");
}

void softmax_probabilities(const float* logits, std::size_t rows, std::size_t classes,
                           float* probabilities, cudaStream_t stream) {
  if (rows == 0) return;
  softmax_probabilities_kernel<<<blocks_for(rows, rows_per_block), block_threads, 0, stream>>>(
      logits, rows, classes, probabilities);
  GRAFT_CUDA_CHECK_LAUNCH("softmax_probabilities");
}

}  // namespace graft::cuda
