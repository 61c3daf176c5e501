#pragma once
// Reference implementation of the backbone: plain loops in double. All layouts are (y, x, channel),
// the kernels are HWIO.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/config/config.h"
#include "engine/weights/vgg16_weights.h"

namespace graft::reference {

struct FeatureMap {
  std::size_t height = 0, width = 0, channels = 0;
  std::vector<double> values;
};

// 3×3 convolution with a border of zeros, then bias. kernel: 3 × 3 × channels × bias.size().
FeatureMap convolution(const FeatureMap& input, std::span<const float> kernel,
                       std::span<const float> bias);
// max(x, 0), and NaN stays.
void relu(FeatureMap& map);
// The largest of each 2×2 window, NaN if one of the four is; a last odd row or column is dropped.
FeatureMap max_pool(const FeatureMap& input);

// Keras' preprocess_input, or its rescale: float operations, pixel by pixel.
FeatureMap preprocess(Preprocess how, std::size_t height, std::size_t width,
                      std::span<const std::uint8_t> rgb);

// The feature map of a layer of VGG16, after its max-pool.
FeatureMap vgg16(const Vgg16Weights& weights, FeatureMap image, Layer last = Layer::block5);

std::vector<float> rounded(const FeatureMap& map);

}  // namespace graft::reference
