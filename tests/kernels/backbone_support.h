#pragma once
// What the tests of the backbone's kernels share.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/weights/vgg16_weights.h"

namespace graft::test {

// Normal values, the same ones for the same seed.
std::vector<float> normal_values(std::size_t count, std::uint32_t seed, double scale = 1.0);
std::vector<std::uint8_t> random_pixels(std::size_t count, std::uint32_t seed);

// VGG16 with He's scale: activations keep their size through the layers.
Vgg16Weights random_vgg16(std::uint32_t seed);

::testing::AssertionResult same_bytes(std::span<const float> a, std::span<const float> b);

}  // namespace graft::test
