#pragma once
// Storage types of activations: float, __half, __nv_bfloat16. Arithmetic is always in float; a result
// is rounded once, to nearest even, when it is stored.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#if defined(__CUDACC__)
namespace graft::cuda {

__device__ __forceinline__ float to_float(float value) {
  return value;
}
__device__ __forceinline__ float to_float(__half value) {
  return __half2float(value);
}
__device__ __forceinline__ float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <typename T>
__device__ __forceinline__ T from_float(float value);
template <>
__device__ __forceinline__ float from_float<float>(float value) {
  return value;
}
template <>
__device__ __forceinline__ __half from_float<__half>(float value) {
  return __float2half_rn(value);
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

// max(value, 0) that keeps a NaN, which fmaxf would turn into 0.
__device__ __forceinline__ float rectified(float value) {
  return value > 0.0F || value != value ? value : 0.0F;
}
// The larger of two; a NaN wins.
__device__ __forceinline__ float larger(float a, float b) {
  return a != a || a > b ? a : b;
}

}  // namespace graft::cuda
#endif
