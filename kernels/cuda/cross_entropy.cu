#include "kernels/cuda/check.h"
#include "kernels/cuda/cross_entropy.h"

namespace graft::cuda {

namespace {

constexpr unsigned sum_threads = 256;

__device__ __forceinline__ void add(LossTotals& totals, const LossTotals& more) {
  totals.loss_sum += more.loss_sum;
  totals.correct += more.correct;
}

// Adds the values of all threads to *totals, always in the same order: a tree over the threads. For
// the launch's only block, of sum_threads, a power of 2; every thread calls it.
__device__ __forceinline__ void add_block(LossTotals* totals, const LossTotals& mine) {
  __shared__ LossTotals sums[sum_threads];
  sums[threadIdx.x] = mine;
  for (unsigned half = sum_threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) add(sums[threadIdx.x], sums[threadIdx.x + half]);
  }
  if (threadIdx.x == 0) add(*totals, sums[0]);
}

__device__ __forceinline__ double weight_of(std::uint32_t label, const float* weights) {
  return weights != nullptr ? weights[label] : 1.0;
}

// ---- Sigmoid ----

__device__ __forceinline__ double sigmoid(double logit) {
  const double small = exp(-fabs(logit));
  return (logit >= 0.0 ? 1.0 : small) / (1.0 + small);
}

// One block: a batch seldom has more rows than a block has threads.
__global__ void __launch_bounds__(sum_threads)
    sigmoid_cross_entropy_kernel(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                 const float* weights, float* gradient, LossTotals* totals) {
  LossTotals mine = {0.0, 0};
  for (std::size_t row = threadIdx.x; row < rows; row += sum_threads) {
    const double logit = logits[row];
    const std::uint32_t label = labels[row];
    const double target = label;
    const double weight = weight_of(label, weights);
    const double probability = sigmoid(logit);
    const double above = logit > 0.0 ? logit : 0.0;
    mine.loss_sum += weight * (above - logit * target + log1p(exp(-fabs(logit))));
    const std::uint32_t predicted = static_cast<float>(probability) > 0.5F ? 1 : 0;
    mine.correct += predicted == label ? 1 : 0;
    if (gradient != nullptr) {
      gradient[row] =
          static_cast<float>(weight * (probability - target) / static_cast<double>(rows));
    }
  }
  add_block(totals, mine);
}

__global__ void __launch_bounds__(sum_threads)
    sigmoid_probabilities_kernel(const float* logits, std::size_t rows, float* probabilities) {
  const std::size_t index = std::size_t{blockIdx.x} * sum_threads + threadIdx.x;
  if (index >= 2 * rows) return;
  const double logit = logits[index / 2];
  probabilities[index] = static_cast<float>(sigmoid(index % 2 == 0 ? -logit : logit));
}

// ---- Softmax. A warp works on a row, three times over its logits: the largest, the sum of
// exponentials, the probabilities. A NaN makes the sum NaN, and with it the row. ----

constexpr unsigned warp_threads = 32;
constexpr unsigned rows_per_block = 4;
constexpr unsigned row_threads = rows_per_block * warp_threads;
constexpr unsigned full_warp = 0xFFFFFFFFU;

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
    largest = fmaxf(largest, __shfl_xor_sync(full_warp, largest, mask));
  }
  const double shift = largest;
  double sum = 0.0;
  for (std::size_t c = lane(); c < classes; c += warp_threads) sum += exp(logits[c] - shift);
  for (unsigned mask = warp_threads / 2; mask > 0; mask /= 2) {
    sum += __shfl_xor_sync(full_warp, sum, mask);
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
    const Best other = {__shfl_xor_sync(full_warp, best.probability, mask),
                        __shfl_xor_sync(full_warp, best.index, mask)};
    if (other.probability > best.probability ||
        (other.probability == best.probability && other.index < best.index)) {
      best = other;
    }
  }
  return best;
}

__global__ void __launch_bounds__(row_threads)
    softmax_cross_entropy_kernel(const float* logits, const std::uint32_t* labels, std::size_t rows,
                                 std::size_t classes, const float* weights, float* gradient,
                                 LossTotals* row_losses) {
  const std::size_t index = row_of_warp();
  if (index >= rows) return;  // all of the warp
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
      const double weight = weight_of(label, weights);  // loaded again: kept, it would spill
      gradient[index * classes + c] =
          static_cast<float>(weight * (probability - target) / static_cast<double>(rows));
    }
  }
  best = best_of_warp(best);
  if (lane() != 0) return;
  const double loss = weight_of(label, weights) * (log(row.sum) - (row.logits[label] - row.shift));
  row_losses[index] = {loss, best.index == label ? std::uint64_t{1} : std::uint64_t{0}};
}

__global__ void __launch_bounds__(sum_threads)
    add_row_losses_kernel(const LossTotals* row_losses, std::size_t rows, LossTotals* totals) {
  LossTotals mine = {0.0, 0};
  for (std::size_t row = threadIdx.x; row < rows; row += sum_threads) add(mine, row_losses[row]);
  add_block(totals, mine);
}

__global__ void __launch_bounds__(row_threads)
    softmax_probabilities_kernel(const float* logits, std::size_t rows, std::size_t classes,
                                 float* probabilities) {
  const std::size_t index = row_of_warp();
  if (index >= rows) return;  // all of the warp
  const Row row = prepare(logits + index * classes, classes);
  // A few classes, and a quotient in double: unrolled it would spill.
#pragma unroll 1
  for (std::size_t c = lane(); c < classes; c += warp_threads) {
    probabilities[index * classes + c] = static_cast<float>(row.probability(c));
  }
}

// A thread computes one mean.
__global__ void __launch_bounds__(sum_threads)
    mean_logits_kernel(const float* logits, std::size_t count, std::size_t views,
                       std::size_t outputs, float* means) {
  const std::size_t index = std::size_t{blockIdx.x} * sum_threads + threadIdx.x;
  if (index >= count) return;
  const float* of_photo = logits + index / outputs * views * outputs + index % outputs;
  double sum = 0.0;
  for (std::size_t view = 0; view < views; ++view) sum += of_photo[view * outputs];
  means[index] = static_cast<float>(sum / static_cast<double>(views));
}

}  // namespace

void sigmoid_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                           const float* weights, float* gradient, LossTotals* totals,
                           cudaStream_t stream) {
  if (rows == 0) return;
  sigmoid_cross_entropy_kernel<<<1, sum_threads, 0, stream>>>(logits, labels, rows, weights,
                                                              gradient, totals);
  GRAFT_CUDA_CHECK_LAUNCH("sigmoid_cross_entropy");
}

void sigmoid_probabilities(const float* logits, std::size_t rows, float* probabilities,
                           cudaStream_t stream) {
  if (rows == 0) return;
  sigmoid_probabilities_kernel<<<blocks_for(2 * rows, sum_threads), sum_threads, 0, stream>>>(
      logits, rows, probabilities);
  GRAFT_CUDA_CHECK_LAUNCH("sigmoid_probabilities");
}

void softmax_cross_entropy(const float* logits, const std::uint32_t* labels, std::size_t rows,
                           std::size_t classes, const float* weights, float* gradient,
                           LossTotals* row_losses, LossTotals* totals, cudaStream_t stream) {
  if (rows == 0) return;
  softmax_cross_entropy_kernel<<<blocks_for(rows, rows_per_block), row_threads, 0, stream>>>(
      logits, labels, rows, classes, weights, gradient, row_losses);
  GRAFT_CUDA_CHECK_LAUNCH("softmax_cross_entropy");
  add_row_losses_kernel<<<1, sum_threads, 0, stream>>>(row_losses, rows, totals);
  GRAFT_CUDA_CHECK_LAUNCH("add_row_losses");
}

void softmax_probabilities(const float* logits, std::size_t rows, std::size_t classes,
                           float* probabilities, cudaStream_t stream) {
  if (rows == 0) return;
  softmax_probabilities_kernel<<<blocks_for(rows, rows_per_block), row_threads, 0, stream>>>(
      logits, rows, classes, probabilities);
  GRAFT_CUDA_CHECK_LAUNCH("softmax_probabilities");
}

void mean_logits(const float* logits, std::size_t photos, std::size_t views, std::size_t outputs,
                 float* means, cudaStream_t stream) {
  const std::size_t count = photos * outputs;
  if (count == 0) return;
  mean_logits_kernel<<<blocks_for(count, sum_threads), sum_threads, 0, stream>>>(
      logits, count, views, outputs, means);
  GRAFT_CUDA_CHECK_LAUNCH("mean_logits");
}

}  // namespace graft::cuda
