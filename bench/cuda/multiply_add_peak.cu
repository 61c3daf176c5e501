#include "bench/cuda/peaks.h"
#include "kernels/cuda/check.h"

namespace graft::bench {

namespace {

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
