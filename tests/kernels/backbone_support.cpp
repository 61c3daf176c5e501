#include "tests/kernels/backbone_support.h"

#include <bit>
#include <cmath>
#include <random>

namespace graft::test {

std::vector<float> normal_values(std::size_t count, std::uint32_t seed, double scale) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, static_cast<float>(scale));
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

std::vector<std::uint8_t> random_pixels(std::size_t count, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<std::uint8_t> pixels(count);
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(generator() >> 24U);
  return pixels;
}

Vgg16Weights random_vgg16(std::uint32_t seed) {
  Vgg16Weights weights;
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const Vgg16Layer& l = vgg16_layers[layer];
    const double scale = std::sqrt(2.0 / (9.0 * static_cast<double>(l.input_channels)));
    weights.layers[layer].kernel =
        normal_values(9 * l.input_channels * l.output_channels, seed + 2 * layer, scale);
    weights.layers[layer].bias = normal_values(l.output_channels, seed + 2 * layer + 1, 0.1);
  }
  return weights;
}

::testing::AssertionResult same_bytes(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << "sizes differ";
  for (std::size_t index = 0; index < a.size(); ++index) {
    if (std::bit_cast<std::uint32_t>(a[index]) != std::bit_cast<std::uint32_t>(b[index])) {
      return ::testing::AssertionFailure()
             << "at " << index << ": " << a[index] << " and " << b[index];
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace graft::test
