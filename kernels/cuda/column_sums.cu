// A thread adds one column. A warp reads 128 bytes of a row with one access, and there are four
// times as many warps as with packs: a layer has few columns, so that memory latency decides.

#include "kernels/cuda/check.h"
#include "kernels/cuda/column_sums.h"

namespace graft::cuda {

namespace {

constexpr unsigned block_threads = 64;  // small: a few hundred columns use many multiprocessors

__global__ void __launch_bounds__(block_threads)
    column_sums_kernel(float* sums, const float* delta, std::size_t rows, std::size_t units) {
  const std::size_t unit = std::size_t{blockIdx.x} * block_threads + threadIdx.x;
  if (unit >= units) return;
  const float* value = delta + unit;
  float sum = 0.0F;
  // The loads of eight rows are in flight together; the sums keep their order.
#pragma unroll 8
  for (std::size_t row = 0; row < rows; ++row, value += units) sum += *value;
  sums[unit] = sum;
}

}  // namespace

void column_sums(float* sums, const float* delta, std::size_t rows, std::size_t units,
                 cudaStream_t stream) {
  if (units == 0) return;
  column_sums_kernel<<<blocks_for(units, block_threads), block_threads, 0, stream>>>(sums, delta,
                                                                                     rows, units);
  GRAFT_CUDA_CHECK_LAUNCH("column_sums");
}

}  // namespace graft::cuda
