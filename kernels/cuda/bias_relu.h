#pragma once
// Bias and ReLU, NHWC, in place: y = max(y + bias[channel], 0); a NaN stays. Source: Simonyan and
// Zisserman 2014, after each convolution of VGG16.
//
// Bytes moved for a value: sizeof(T) read and sizeof(T) written, and 4 read for each channel once.

#include <cuda_runtime_api.h>

#include <cstddef>

#include "kernels/cuda/moved_bytes.h"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

//   values  pixels × channels, any alignment
//   bias    channels
// T: float, __half, __nv_bfloat16.
template <typename T>
void bias_relu(T* values, const float* bias, std::size_t pixels, std::size_t channels,
               cudaStream_t stream);

// Bytes moved, with values of `value_bytes` each.
constexpr MovedBytes bias_relu_bytes(std::size_t value_bytes, std::size_t pixels,
                                     std::size_t channels) {
  const std::size_t values = value_bytes * pixels * channels;
  return {values + sizeof(float) * channels, values};
}

}  // namespace graft::cuda
