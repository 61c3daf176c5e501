#pragma once
// What the tests of this folder share: a VGG16 with its own names and order but a handful of
// channels, and the checks of refusals.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/weights/convolution_files.h"
#include "tests/support/forked.h"

namespace graft::test {

using Layers = std::vector<Vgg16Layer>;
using Convolutions = std::vector<ConvolutionWeights>;

// 3, 64, 128, 256 and 512 channels become 3, 2, 4, 5 and 6.
inline Layers small_vgg16() {
  const auto small = [](std::size_t channels) -> std::size_t {
    switch (channels) {
      case 64:
        return 2;
      case 128:
        return 4;
      case 256:
        return 5;
      case 512:
        return 6;
      default:
        return channels;
    }
  };
  Layers layers(vgg16_layers.begin(), vgg16_layers.end());
  for (Vgg16Layer& layer : layers) {
    layer.input_channels = small(layer.input_channels);
    layer.output_channels = small(layer.output_channels);
  }
  return layers;
}

inline Convolutions random_convolutions(std::span<const Vgg16Layer> layers, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Convolutions convolutions;
  for (const Vgg16Layer& layer : layers) {
    ConvolutionWeights weights;
    weights.kernel.resize(9 * layer.input_channels * layer.output_channels);
    weights.bias.resize(layer.output_channels);
    for (float& value : weights.kernel) value = uniform(random);
    for (float& value : weights.bias) value = uniform(random);
    convolutions.push_back(std::move(weights));
  }
  return convolutions;
}

// The kernel as PyTorch and ONNX store it, index by index.
inline std::vector<float> oihw_reference(const Vgg16Layer& layer, std::span<const float> hwio) {
  std::vector<float> oihw;
  for (std::size_t o = 0; o < layer.output_channels; ++o) {
    for (std::size_t i = 0; i < layer.input_channels; ++i) {
      for (std::size_t y = 0; y < 3; ++y) {
        for (std::size_t x = 0; x < 3; ++x) {
          oihw.push_back(
              hwio[((y * 3 + x) * layer.input_channels + i) * layer.output_channels + o]);
        }
      }
    }
  }
  return oihw;
}

inline void expect_same(const Convolutions& actual, const Convolutions& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(actual[i].kernel, expected[i].kernel) << "kernel of layer " << i;
    EXPECT_EQ(actual[i].bias, expected[i].bias) << "bias of layer " << i;
  }
}

// Runs `action`, which must throw Error(weights) whose sentence begins with the path and holds
// `words`.
template <typename Action>
void expect_refused(const std::filesystem::path& path, const std::vector<std::string>& words,
                    Action action) {
  try {
    action();
    ADD_FAILURE() << "nothing was refused; expected: " << ::testing::PrintToString(words);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::weights) << error.what();
    EXPECT_THAT(error.what(), ::testing::StartsWith(path.string() + ":"));
    for (const std::string& word : words) EXPECT_THAT(error.what(), ::testing::HasSubstr(word));
  }
}

// `action` in a process that may map `bytes` more than it has. It must throw Error(weights) that holds
// `words`; the return value is empty then, else what happened.
template <typename Action>
std::string in_little_memory(std::size_t bytes, std::string_view words, Action action) {
  const Ending ending = in_child([&] {
    if (why_no_memory_limit() == nullptr) limit_more_memory(bytes);
    try {
      action();
    } catch (const Error& error) {
      const bool is_right = error.kind() == ErrorKind::weights &&
                            std::string_view(error.what()).find(words) != std::string_view::npos;
      if (!is_right) std::fprintf(stderr, "instead of \"%s\": %s\n", words.data(), error.what());
      return is_right ? 0 : 1;
    }
    return 2;
  });
  return ending.succeeded() ? "" : "no refusal with these words, or memory ran out";
}

// Flips one to four bits of `bytes` at places drawn from `random`.
inline std::string with_flipped_bits(std::string bytes, std::mt19937& random) {
  const auto flips = 1 + random() % 4;
  for (std::uint32_t i = 0; i < flips; ++i) {
    const std::size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << (random() % 8)));
  }
  return bytes;
}

// Reads 2,000 damaged copies of `bytes` with `read`: some are read, some are Error(weights), none is
// anything else.
template <typename Read>
void expect_read_or_refused(const std::string& bytes, const Read& read) {
  std::mt19937 random(11);
  int refused = 0;
  constexpr int copies = 2000;
  for (int i = 0; i < copies; ++i) {
    try {
      read(with_flipped_bits(bytes, random));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::weights);
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, copies);
}

}  // namespace graft::test
