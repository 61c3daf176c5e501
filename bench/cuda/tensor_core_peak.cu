// A lane holds four words of the first factor, two of the second, and four sums of each result of
// the warp (PTX ISA, "Matrix Fragments for mma"). Every value is 1, so the order of the lanes is
// irrelevant.

#include <cstdint>
#include <type_traits>

#include "bench/cuda/peaks.h"
#include "bench/cuda/tensor_core_types.cuh"
#include "kernels/cuda/check.h"
#include "kernels/cuda/storage.h"

namespace graft::bench {

namespace {

constexpr unsigned results = 8;  // of a warp, independent
constexpr unsigned sums_of_lane = 4;
constexpr unsigned depth = 16;  // products that a step adds to each sum

#define GRAFT_MMA_K16(types)                                                \
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." types               \
               ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
               : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])     \
               : "r"(one), "r"(one), "r"(one), "r"(one), "r"(one), "r"(one))
#define GRAFT_MMA_K8_TF32()                                    \
  asm volatile(                                                \
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "    \
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"  \
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3]) \
      : "r"(one), "r"(one), "r"(one), "r"(one), "r"(one), "r"(one))
#define GRAFT_MMA_K8_FP16()                                    \
  asm volatile(                                                \
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "      \
      "{%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"           \
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3]) \
      : "r"(one), "r"(one), "r"(one))

// sum += 16 in all of a 16×8 result. T: storage type of the factors, float for tf32. `one`: a word
// filled with ones of that type.
template <typename T>
__device__ __forceinline__ void add_product(float (&sum)[sums_of_lane], std::uint32_t one) {
#if __CUDA_ARCH__ >= 800
  if constexpr (std::is_same_v<T, __half>) GRAFT_MMA_K16("f16.f16");
  if constexpr (std::is_same_v<T, __nv_bfloat16>) GRAFT_MMA_K16("bf16.bf16");
  if constexpr (std::is_same_v<T, float>) {
    GRAFT_MMA_K8_TF32();
    GRAFT_MMA_K8_TF32();
  }
#else
  if constexpr (std::is_same_v<T, __half>) {
    GRAFT_MMA_K8_FP16();
    GRAFT_MMA_K8_FP16();
  }
#endif
}

template <typename T>
__global__ void __launch_bounds__(PeakShape::threads)
    tensor_core_peak_kernel(float* out, unsigned steps, std::uint32_t one) {
  float sum[results][sums_of_lane] = {};
#pragma unroll 4
  for (unsigned step = 0; step < steps; ++step) {
#pragma unroll
    for (auto& result : sum) add_product<T>(result, one);
  }
  float all = 0.0F;
#pragma unroll
  for (const auto& result : sum) {
#pragma unroll
    for (const float value : result) all += value;
  }
  out[std::size_t{blockIdx.x} * PeakShape::threads + threadIdx.x] = all;
}

template <typename T>
void launch(float* out, const PeakShape& shape, std::uint32_t one, cudaStream_t stream) {
  tensor_core_peak_kernel<T>
      <<<shape.blocks, PeakShape::threads, 0, stream>>>(out, shape.steps, one);
  GRAFT_CUDA_CHECK_LAUNCH("tensor_core_peak");
}

}  // namespace

void tensor_core_peak(Precision precision, float* out, const PeakShape& shape,
                      cudaStream_t stream) {
  with_tensor_core_type(precision, "tensor_core_peak", [&](auto zero, std::uint32_t one) {
    launch<decltype(zero)>(out, shape, one, stream);
  });
}

double tensor_core_flop(const PeakShape& shape) {
  constexpr double flop_of_product = 2.0 * 16 * 8 * depth;
  const double warps = static_cast<double>(shape.values()) / 32;
  return flop_of_product * results * shape.steps * warps;
}

float tensor_core_value(const PeakShape& shape) {
  return static_cast<float>(results * sums_of_lane * depth) * static_cast<float>(shape.steps);
}

}  // namespace graft::bench
