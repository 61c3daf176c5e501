#include "kernels/cuda/check.h"
#include "kernels/cuda/loss_sum.cuh"
#include "kernels/cuda/sigmoid_cross_entropy.h"

namespace graft::cuda {

namespace {

constexpr unsigned block_threads = 256;

__device__ __forceinline__ double sigmoid(double logit) {
  const double small = exp(-fabs(logit));
  return (logit >= 0.0 ? 1.0 : small) / (1.0 + small);
}

// One block; a batch has seldom more rows than it has threads.
__global__ void __launch_bounds__(block_threads)
    sigmoid_cross_entropy_kernel(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                 float* gradient, LossTotals* totals) {
  LossTotals mine = {0.0, 0};
  for (std::size_t row = threadIdx.x; row < rows; row += block_threads) {
    const double logit = logits[row];
    const std::uint32_t label = labels[row];
    const double target = label;
    const double probability = sigmoid(logit);
    const double above = logit > 0.0 ? logit : 0.0;
    mine.loss_sum += above - logit * target + log1p(exp(-fabs(logit)));
    const std::uint32_t predicted = static_cast<float>(probability) > 0.5F ? 1 : 0;
    mine.correct += predicted == label ? 1 : 0;
    if (gradient != nullptr) {
      gradient[row] = static_cast<float>((probability - target) / static_cast<double>(rows));
    }
  }
  add_block<block_threads>(totals, mine);
}

__global__ void __launch_bounds__(block_threads)
    sigmoid_probabilities_kernel(const float* logits, std::size_t rows, float* probabilities) {
  const std::size_t index = std::size_t{blockIdx.x} * block_threads + threadIdx.x;
  if (index >= 2 * rows) return;
  const double logit = logits[index / 2];
  probabilities[index] = static_cast<float>(sigmoid(index % 2 == 0 ? -logit : logit));
}

}  // namespace

void sigmoid_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                           float* gradient, LossTotals* totals, cudaStream_t stream) {
  if (rows == 0) return;
  sigmoid_cross_entropy_kernel<<<1, block_threads, 0, stream>>>(logits, labels, rows, gradient,
                                                                totals);
  GRAFT_CUDA_CHECK_LAUNCH("sigmoid_cross_entropy");
}

void sigmoid_probabilities(const float* logits, std::size_t rows, float* probabilities,
                           cudaStream_t stream) {
  if (rows == 0) return;
  sigmoid_probabilities_kernel<<<blocks_for(2 * rows, block_threads), block_threads, 0, stream>>>(
      logits, rows, probabilities);
  GRAFT_CUDA_CHECK_LAUNCH("sigmoid_probabilities");
}

}  // namespace graft::cuda
