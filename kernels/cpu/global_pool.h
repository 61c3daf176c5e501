#pragma once
// Global pooling: the average and the largest value of each channel of a feature map, as in Keras'
// GlobalAveragePooling2D and GlobalMaxPooling2D. Source: Lin, Chen and Yan 2013, section 3.2.
//
// The pixels of a row are added first, then the sums of the rows, all in order and in float: the
// rounding error grows with height + width, not with height · width. A NaN in a channel makes its
// average and its maximum NaN.
//
// Bytes moved: 4 read for each value, in one pass for both statistics; 4 written for each statistic
// of a channel.

#include <cstddef>

namespace graft::cpu {

// Channels that are pooled together: two cache lines.
inline constexpr std::size_t global_pool_channels = 32;

struct GlobalPoolMap {
  std::size_t height, width;  // at least 1
  std::size_t pixel_stride;   // floats from a pixel to the next, also from a row's last
  const float* values;        // global_pool_channels of the first pixel
  float* average;             // global_pool_channels; null: not wanted
  float* maximum;             // the same
};
using GlobalPool = void(const GlobalPoolMap& map);

}  // namespace graft::cpu
