#pragma once
// 2×2 max pooling of stride 2 with bias and ReLU, NHWC; only the pooled values are written.
// out[y][x][c] = max(largest of in[2y…2y+1][2x…2x+1][c] + bias[c], 0). A last odd row or column is
// dropped (floor), as in Keras. A NaN in a window makes the result NaN. Source: Simonyan and
// Zisserman 2014, the end of each block of VGG16. The bias is added after the maximum: rounding
// keeps the order of sums, so that the result is the same for every finite bias.
//
// Bytes moved for an output: 4·sizeof(T) read and sizeof(T) written, and 4 read for each channel
// once. Bias, ReLU and pool in turn would move 7·sizeof(T) more. A flag that is raised is 4 bytes
// more.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/moved_bytes.h"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

// Shape of the input.
struct BatchShape {
  std::size_t images, height, width, channels;
};

//   out         images × height/2 × width/2 × channels; does not overlap `in`
//   in          images × height × width × channels
//   bias        channels, finite
//   not_finite  set to 1 when a value that is read or written is not finite, else not touched; for
//               __half only; null: not wanted
// Any alignment. T: float, __half, __nv_bfloat16. Throws std::length_error beyond 2^31 - 1
// pooled rows, or 2^23 values in a row of `in`: more than a grid holds.
template <typename T>
void bias_relu_max_pool(T* out, const T* in, const float* bias, const BatchShape& shape,
                        cudaStream_t stream, std::uint32_t* not_finite = nullptr);

// Bytes moved, with values of `value_bytes` each.
constexpr MovedBytes bias_relu_max_pool_bytes(std::size_t value_bytes, const BatchShape& shape) {
  const std::size_t outputs =
      shape.images * (shape.height / 2) * (shape.width / 2) * shape.channels;
  return {4 * value_bytes * outputs + sizeof(float) * shape.channels, value_bytes * outputs};
}

}  // namespace graft::cuda
