#pragma once
// The convolutions of VGG16 at 150×150 that Winograd's algorithm computes. Layers of the same shape
// stand once (block5_conv2 is block5_conv1).

#include <cstddef>

#include "kernels/cpu/convolution.h"

namespace graft::bench {

struct NamedLayer {
  const char* name;
  cpu::ConvolutionShape shape;
};

inline constexpr NamedLayer vgg16_layers_of_150[] = {
    {"block1_conv2", {150, 150, 64, 64, true}},  {"block2_conv1", {75, 75, 64, 128, false}},
    {"block2_conv2", {75, 75, 128, 128, true}},  {"block3_conv1", {37, 37, 128, 256, false}},
    {"block3_conv2", {37, 37, 256, 256, false}}, {"block3_conv3", {37, 37, 256, 256, true}},
    {"block4_conv1", {18, 18, 256, 512, false}}, {"block4_conv2", {18, 18, 512, 512, false}},
    {"block4_conv3", {18, 18, 512, 512, true}},  {"block5_conv1", {9, 9, 512, 512, false}},
    {"block5_conv3", {9, 9, 512, 512, true}},
};

// As many images as CpuBackbone takes through such a layer at a time, out of a batch of 16.
inline std::size_t images_of(const cpu::ConvolutionShape& shape) {
  return shape.height > 40 ? 2 : 16;
}

}  // namespace graft::bench
