#include "tests/reference/feature_map_ops.h"

#include <cmath>
#include <limits>

namespace graft::reference {

std::vector<float> preprocess(std::span<const std::uint8_t> rgb, const PixelTables& tables,
                              std::size_t channels) {
  std::vector<float> out(rgb.size() / 3 * channels);
  for (std::size_t pixel = 0; pixel < rgb.size() / 3; ++pixel) {
    for (std::size_t c = 0; c < 3; ++c) {
      out[pixel * channels + c] = tables.value[c][rgb[3 * pixel + tables.source[c]]];
    }
  }
  return out;
}

std::vector<float> bias_relu(std::span<const float> values, std::span<const float> bias) {
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = values[i] + bias[i % bias.size()];
    out[i] = value <= 0.0F ? 0.0F : value;
  }
  return out;
}

std::vector<float> bias_relu_max_pool(std::span<const float> values, std::span<const float> bias,
                                      const BatchShape& shape) {
  const std::vector<float> full = bias_relu(values, bias);
  const auto at = [&](std::size_t image, std::size_t y, std::size_t x, std::size_t c) {
    return full[((image * shape.height + y) * shape.width + x) * shape.channels + c];
  };
  std::vector<float> out;
  out.reserve(shape.pooled_count());
  for (std::size_t image = 0; image < shape.images; ++image) {
    for (std::size_t y = 0; y + 1 < shape.height; y += 2) {
      for (std::size_t x = 0; x + 1 < shape.width; x += 2) {
        for (std::size_t c = 0; c < shape.channels; ++c) {
          float largest = 0.0F;  // no value after ReLU is below
          for (const std::size_t place : {0U, 1U, 2U, 3U}) {
            const float value = at(image, y + place / 2, x + place % 2, c);
            if (std::isnan(value) || value > largest) largest = value;
            if (std::isnan(value)) break;
          }
          out.push_back(largest);
        }
      }
    }
  }
  return out;
}

ChannelStatistics global_pool(std::span<const float> values, const BatchShape& shape) {
  const std::size_t pixels = shape.height * shape.width;
  ChannelStatistics statistics;
  for (std::size_t image = 0; image < shape.images; ++image) {
    for (std::size_t c = 0; c < shape.channels; ++c) {
      double sum = 0.0;
      float largest = -std::numeric_limits<float>::infinity();
      for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        const float value = values[(image * pixels + pixel) * shape.channels + c];
        sum += static_cast<double>(value);
        if (std::isnan(value) || value > largest) largest = value;
        if (std::isnan(largest)) break;
      }
      statistics.average.push_back(static_cast<float>(sum / static_cast<double>(pixels)));
      statistics.maximum.push_back(largest);
    }
  }
  return statistics;
}

std::vector<float> column_sums(std::span<const float> matrix, std::size_t rows,
                               std::size_t columns) {
  std::vector<float> sums(columns);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) sums[c] += matrix[r * columns + c];
  }
  return sums;
}

}  // namespace graft::reference
