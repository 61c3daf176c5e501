#pragma once
// Pixels to the numbers that the network was trained on. A byte has 256 values, so that the whole
// of a preprocessing is three tables, made with the same float operations as Keras': the lookup is
// exact.
//
// Bytes moved for a pixel: 3 read, 12 written.

#include <cstddef>
#include <cstdint>

namespace graft::cpu {

// Channel c of the network's input is value[c][pixel[source[c]]], for a pixel (red, green, blue).
struct PixelTables {
  std::uint8_t source[3];
  float value[3][256];
};

PixelTables rescale_tables();  // x · (1/255)
PixelTables caffe_tables();    // blue, green, red, minus the mean of ImageNet
PixelTables torch_tables();    // (x/255 - mean) / standard deviation

struct PreprocessImage {
  std::size_t height, width;
  const std::uint8_t* rgb;  // height × width × 3
  float* output;  // (height + 2) × (width + 2) × 3; the border is the caller's, not written
};
void preprocess(const PixelTables& tables, const PreprocessImage& image);

}  // namespace graft::cpu
