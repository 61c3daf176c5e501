#include "kernels/cpu/preprocess.h"

namespace graft::cpu {

PixelTables rescale_tables() {
  constexpr float factor = static_cast<float>(1.0 / 255.0);
  PixelTables tables{{0, 1, 2}, {}};
  for (auto& channel : tables.value) {
    for (int byte = 0; byte < 256; ++byte) channel[byte] = static_cast<float>(byte) * factor;
  }
  return tables;
}

PixelTables caffe_tables() {
  constexpr float mean[3] = {103.939F, 116.779F, 123.68F};  // blue, green, red
  PixelTables tables{{2, 1, 0}, {}};
  for (int channel = 0; channel < 3; ++channel) {
    for (int byte = 0; byte < 256; ++byte) {
      tables.value[channel][byte] = static_cast<float>(byte) - mean[channel];
    }
  }
  return tables;
}

PixelTables torch_tables() {
  constexpr float mean[3] = {0.485F, 0.456F, 0.406F};
  constexpr float deviation[3] = {0.229F, 0.224F, 0.225F};
  PixelTables tables{{0, 1, 2}, {}};
  for (int channel = 0; channel < 3; ++channel) {
    for (int byte = 0; byte < 256; ++byte) {
      tables.value[channel][byte] =
          (static_cast<float>(byte) / 255.0F - mean[channel]) / deviation[channel];
    }
  }
  return tables;
}

void preprocess(const PixelTables& tables, const PreprocessImage& image) {
  const std::uint8_t* pixel = image.rgb;
  for (std::size_t y = 0; y < image.height; ++y) {
    float* output = image.output + ((y + 1) * (image.width + 2) + 1) * 3;
    for (std::size_t x = 0; x < image.width; ++x, pixel += 3, output += 3) {
      output[0] = tables.value[0][pixel[tables.source[0]]];
      output[1] = tables.value[1][pixel[tables.source[1]]];
      output[2] = tables.value[2][pixel[tables.source[2]]];
    }
  }
}

}  // namespace graft::cpu
