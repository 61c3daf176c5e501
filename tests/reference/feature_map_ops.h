#pragma once
// Reference implementations of the ops on feature maps, NHWC: plain loops, one value at a time.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/pixel_tables.h"

namespace graft::reference {

// pixels × channels: the tables' values, then zeros.
std::vector<float> preprocess(std::span<const std::uint8_t> rgb, const PixelTables& tables,
                              std::size_t channels);

// max(value + bias[channel], 0); a NaN stays.
std::vector<float> bias_relu(std::span<const float> values, std::span<const float> bias);

struct BatchShape {
  std::size_t images, height, width, channels;
  std::size_t count() const { return images * height * width * channels; }
  std::size_t pooled_count() const { return images * (height / 2) * (width / 2) * channels; }
};
// bias_relu of every value, then the largest of each complete 2×2 window; a NaN in it wins.
std::vector<float> bias_relu_max_pool(std::span<const float> values, std::span<const float> bias,
                                      const BatchShape& shape);

// Of each channel of each image, over all pixels: the average, added in double, and the maximum. A
// NaN in a channel makes both NaN. images × channels.
struct ChannelStatistics {
  std::vector<float> average, maximum;
};
ChannelStatistics global_pool(std::span<const float> values, const BatchShape& shape);

// Σ over the rows in order, in float.
std::vector<float> column_sums(std::span<const float> matrix, std::size_t rows,
                               std::size_t columns);

}  // namespace graft::reference
