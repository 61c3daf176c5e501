#pragma once
// Bias and ReLU, NHWC, in place: y = max(y + bias[channel], 0); a NaN stays. Source: Simonyan and
// Zisserman 2014, after each convolution of VGG16.
//
// Bytes moved for a value: sizeof(T) read and sizeof(T) written, and 4 read for each channel once.
// A flag that is raised is 4 bytes more.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/moved_bytes.h"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

//   values      pixels × channels, any alignment
//   bias        channels
//   not_finite  set to 1 when a value that is read or written is not finite, else not touched; for
//               __half only; null: not wanted
// T: float, __half, __nv_bfloat16.
template <typename T>
void bias_relu(T* values, const float* bias, std::size_t pixels, std::size_t channels,
               cudaStream_t stream, std::uint32_t* not_finite = nullptr);

// Bytes moved, with values of `value_bytes` each.
constexpr MovedBytes bias_relu_bytes(std::size_t value_bytes, std::size_t pixels,
                                     std::size_t channels) {
  const std::size_t values = value_bytes * pixels * channels;
  return {values + sizeof(float) * channels, values};
}

}  // namespace graft::cuda
