#include "bench/cuda/peaks.h"
#include "kernels/cuda/check.h"

namespace graft::bench {

namespace {

constexpr unsigned block_threads = 256;
constexpr unsigned packs_of_thread = 4;  // loads in flight of a thread

__global__ void __launch_bounds__(block_threads)
    copy_peak_kernel(uint4* to, const uint4* from, std::size_t packs) {
  const std::size_t first = std::size_t{blockIdx.x} * block_threads * packs_of_thread + threadIdx.x;
  uint4 pack[packs_of_thread];
#pragma unroll
  for (unsigned n = 0; n < packs_of_thread; ++n) {
    const std::size_t at = first + std::size_t{n} * block_threads;
    if (at < packs) pack[n] = __ldcs(from + at);
  }
#pragma unroll
  for (unsigned n = 0; n < packs_of_thread; ++n) {
    const std::size_t at = first + std::size_t{n} * block_threads;
    if (at < packs) __stcs(to + at, pack[n]);
  }
}

constexpr unsigned chains = 8;

// The factors are parameters, so that the compiler cannot remove the arithmetic. Each chain of each
// thread starts with another value, so that chains are not merged, nor computed once for a warp by
// sm_120's uniform datapath.
__global__ void __launch_bounds__(PeakShape::threads)
    multiply_add_peak_kernel(float* out, unsigned steps, float factor, float addend) {
  float value[chains];
#pragma unroll
  for (unsigned chain = 0; chain < chains; ++chain)
    value[chain] = static_cast<float>(threadIdx.x + chain);
#pragma unroll 16
  for (unsigned step = 0; step < steps; ++step) {
#pragma unroll
    for (float& one : value) one = __fmaf_rn(one, factor, addend);
  }
  float sum = 0.0F;
#pragma unroll
  for (const float one : value) sum += one;
  out[std::size_t{blockIdx.x} * PeakShape::threads + threadIdx.x] = sum;
}

}  // namespace

void copy_peak(void* to, const void* from, std::size_t packs, cudaStream_t stream) {
  if (packs == 0) return;
  const unsigned blocks = cuda::blocks_for(packs, std::size_t{block_threads} * packs_of_thread);
  copy_peak_kernel<<<blocks, block_threads, 0, stream>>>(static_cast<uint4*>(to),
                                                         static_cast<const uint4*>(from), packs);
  GRAFT_CUDA_CHECK_LAUNCH("copy_peak");
}

void multiply_add_peak(float* out, const PeakShape& shape, cudaStream_t stream) {
  multiply_add_peak_kernel<<<shape.blocks, PeakShape::threads, 0, stream>>>(out, shape.steps, 1.0F,
                                                                            1.0F);
  GRAFT_CUDA_CHECK_LAUNCH("multiply_add_peak");
}

double multiply_add_flop(const PeakShape& shape) {
  return 2.0 * chains * shape.steps * static_cast<double>(shape.values());
}

float multiply_add_value(const PeakShape& shape, std::size_t index) {
  const auto thread = static_cast<float>(index % PeakShape::threads);
  constexpr float mean_start = (chains - 1) / 2.0F;
  return static_cast<float>(chains) * (static_cast<float>(shape.steps) + thread + mean_start);
}

}  // namespace graft::bench
