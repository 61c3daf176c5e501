#pragma once
// Preprocessing of pixels as three lookup tables, on the CPU and on the GPU. A byte has 256 values,
// so the tables hold all results. They are computed with Keras' float operations: the lookup is
// exact. Not for CPU kernels, which include no inline functions (cpu/vector.h).

#include <cstdint>

namespace graft {

// Channel c of the network's input is value[c][pixel[source[c]]], for a pixel (red, green, blue).
struct PixelTables {
  std::uint8_t source[3];
  float value[3][256];
};

// convert(byte, channel) is the value of a byte.
template <typename Convert>
PixelTables make_pixel_tables(bool blue_first, const Convert& convert) {
  PixelTables tables{{0, 1, 2}, {}};
  if (blue_first) tables = {{2, 1, 0}, {}};
  for (int channel = 0; channel < 3; ++channel) {
    for (int byte = 0; byte < 256; ++byte) {
      tables.value[channel][byte] = convert(static_cast<float>(byte), channel);
    }
  }
  return tables;
}

inline constexpr float rescale_factor = static_cast<float>(1.0 / 255.0);
inline constexpr float caffe_mean[3] = {103.939F, 116.779F, 123.68F};  // blue, green, red
inline constexpr float torch_mean[3] = {0.485F, 0.456F, 0.406F};
inline constexpr float torch_deviation[3] = {0.229F, 0.224F, 0.225F};

// x · (1/255)
inline PixelTables rescale_tables() {
  return make_pixel_tables(false, [](float byte, int) { return byte * rescale_factor; });
}

// Blue, green, red, minus the mean of ImageNet.
inline PixelTables caffe_tables() {
  return make_pixel_tables(true,
                           [](float byte, int channel) { return byte - caffe_mean[channel]; });
}

// (x/255 - mean) / standard deviation
inline PixelTables torch_tables() {
  return make_pixel_tables(false, [](float byte, int channel) {
    return (byte / 255.0F - torch_mean[channel]) / torch_deviation[channel];
  });
}

}  // namespace graft
