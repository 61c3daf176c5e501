#pragma once
// Random values and weights. The speed of the kernels does not depend on the values, as long as
// none is denormal, infinite or NaN.

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "engine/weights/vgg16_weights.h"

namespace graft::bench {

inline std::vector<float> normal_values(std::size_t count, std::uint32_t seed, float scale) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

inline Vgg16Weights random_vgg16() {
  Vgg16Weights weights;
  std::uint32_t seed = 1;
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const Vgg16Layer& l = vgg16_layers[layer];
    const float scale = std::sqrt(2.0F / (9.0F * static_cast<float>(l.input_channels)));
    weights.layers[layer] = {normal_values(9 * l.input_channels * l.output_channels, seed++, scale),
                             normal_values(l.output_channels, seed++, 0.1F)};
  }
  return weights;
}

}  // namespace graft::bench
