#pragma once
// Global pooling: the average and the largest value of each channel of a feature map, NHWC, as in
// Keras' GlobalAveragePooling2D and GlobalMaxPooling2D. Source: Lin, Chen and Yan 2013, section 3.2.
//
// Sums are in float, in an order that depends on the shape alone: the pixels of a row first, then
// every 32nd row, then these. The rounding error grows with height + width, not with height · width.
// A NaN in a channel makes its average and its maximum NaN.
//
// Bytes moved: sizeof(T) read for each value, in one pass for both statistics; 4 written for each
// statistic of a channel.

#include <cuda_runtime_api.h>

#include <cstddef>

#include "kernels/cuda/bias_relu_max_pool.h"  // BatchShape
#include "kernels/cuda/moved_bytes.h"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

// Statistics of the first image. Those of the next are `stride` floats behind.
struct ChannelStatistics {
  float* average;  // channels; null: not wanted
  float* maximum;  // the same
  std::size_t stride;
};

//   in  images × height × width × channels, height and width below 2^32
// Any alignment. T: float, __half, __nv_bfloat16. Throws std::invalid_argument for a map without
// pixels.
template <typename T>
void global_pool(const ChannelStatistics& out, const T* in, const BatchShape& shape,
                 cudaStream_t stream);

// Bytes moved, from values of `value_bytes` each, for one or both statistics.
constexpr MovedBytes global_pool_bytes(std::size_t value_bytes, const BatchShape& shape,
                                       std::size_t statistics) {
  const std::size_t channels = shape.images * shape.channels;
  return {value_bytes * channels * shape.height * shape.width,
          sizeof(float) * channels * statistics};
}

}  // namespace graft::cuda
