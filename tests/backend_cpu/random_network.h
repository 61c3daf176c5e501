#pragma once
// Random pixels and weights for the tests of the backbone.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "engine/weights/vgg16_weights.h"
#include "tests/support/support.h"

namespace graft::test {

inline std::vector<std::uint8_t> random_pixels(std::size_t count, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<std::uint8_t> pixels(count);
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(generator() >> 24U);
  return pixels;
}

// VGG16 with He's scale: activations keep their size through the layers.
inline Vgg16Weights random_vgg16(std::uint32_t seed) {
  Vgg16Weights weights;
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const auto [name, inputs, outputs, pool_after] = vgg16_layers[layer];
    const double scale = std::sqrt(2.0 / (9.0 * static_cast<double>(inputs)));
    weights.layers[layer] = {normal_values(9 * inputs * outputs, seed + 2 * layer, scale),
                             normal_values(outputs, seed + 2 * layer + 1, 0.1)};
  }
  return weights;
}

}  // namespace graft::test
