// preprocess, bias_relu, bias_relu_max_pool, cast_features against their reference implementations, to the bit.

#include <numeric>
#include <utility>

#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"
#include "kernels/cuda/cast_features.h"
#include "kernels/cuda/preprocess.h"
#include "tests/kernels_cuda/cuda_test.h"
#include "tests/reference/feature_map_ops.h"

namespace graft {
namespace {

using test::DeviceArray;
using test::nearly_equal;
using test::numbers;
using test::odd_numbers;
using test::random_numbers;
using test::rounded;
using test::stored;

template <typename T>
class BackboneKernels : public test::CudaStorageTest<T> {
 protected:
  static constexpr std::size_t pack = 16 / sizeof(T);

  static void expect_preprocess(const std::vector<std::uint8_t>& rgb, const PixelTables& tables,
                                std::size_t channels, std::size_t offset) {
    const std::size_t pixels = rgb.size() / 3;
    const float* first = &tables.value[0][0];
    const DeviceArray<std::uint8_t> bytes(rgb, offset);
    const DeviceArray<float> values(std::vector<float>(first, first + 3 * 256), offset % 2);
    const DeviceArray<T> out(pixels * channels, offset % 3);
    cuda::preprocess(out.get(), bytes.get(),
                     {values.get(), {tables.source[0], tables.source[1], tables.source[2]}}, pixels,
                     channels, nullptr);
    ASSERT_TRUE(nearly_equal(numbers<T>(out.host()),
                             rounded<T>(reference::preprocess(rgb, tables, channels)), 0.0))
        << pixels << " pixels, " << channels << " channels, offset " << offset;
    ASSERT_TRUE(out.guards_intact());
  }

  static void expect_bias_relu(std::size_t pixels, std::size_t channels, std::size_t offset,
                               std::size_t bias_offset) {
    expect_bias_relu(rounded<T>(odd_numbers(pixels * channels, 3)), random_numbers(channels, 4),
                     offset, bias_offset);
  }
  static void expect_bias_relu(const std::vector<float>& values, const std::vector<float>& bias,
                               std::size_t offset, std::size_t bias_offset) {
    const std::size_t pixels = values.size() / bias.size();
    const std::vector<float> expected = rounded<T>(reference::bias_relu(values, bias));
    const DeviceArray<T> data(stored<T>(values), offset);
    const DeviceArray<float> biases(bias, bias_offset);
    const DeviceArray<std::uint32_t> flag(std::vector<std::uint32_t>(1, 0));
    cuda::bias_relu(data.get(), biases.get(), pixels, bias.size(), nullptr, flag.get());
    ASSERT_TRUE(nearly_equal(numbers<T>(data.host()), expected, 0.0))
        << pixels << " pixels, " << bias.size() << " channels, offset " << offset;
    ASSERT_TRUE(data.guards_intact());
    ASSERT_EQ(flag.host()[0], expected_flag(values, expected))
        << pixels << " pixels, " << bias.size() << " channels, offset " << offset;
  }

  static void expect_pool(const reference::BatchShape& shape, std::size_t offset) {
    expect_pool(rounded<T>(odd_numbers(shape.count(), 5)), random_numbers(shape.channels, 6), shape,
                offset);
  }
  static void expect_pool(const std::vector<float>& values, const std::vector<float>& bias,
                          const reference::BatchShape& shape, std::size_t offset) {
    const std::vector<float> expected =
        rounded<T>(reference::bias_relu_max_pool(values, bias, shape));
    const DeviceArray<T> in(stored<T>(values), offset);
    const DeviceArray<float> biases(bias);
    const DeviceArray<T> out(shape.pooled_count(), offset);
    const DeviceArray<std::uint32_t> flag(std::vector<std::uint32_t>(1, 0));
    cuda::bias_relu_max_pool(out.get(), in.get(), biases.get(),
                             {shape.images, shape.height, shape.width, shape.channels}, nullptr,
                             flag.get());
    ASSERT_TRUE(nearly_equal(numbers<T>(out.host()), expected, 0.0))
        << shape.images << " × " << shape.height << " × " << shape.width << " × " << shape.channels
        << ", offset " << offset;
    ASSERT_TRUE(out.guards_intact());
    ASSERT_EQ(flag.host()[0], expected_flag(in_windows(values, shape), expected))
        << shape.images << " × " << shape.height << " × " << shape.width << " × " << shape.channels
        << ", offset " << offset;
  }

  // Not finite, in a half or once the bias is added.
  static std::vector<float> too_large() {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    return {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, 65504.0F};
  }
  static std::vector<float> large_bias(std::size_t channels) {
    return std::vector<float>(channels, 20.0F);
  }

 private:
  static std::uint32_t expected_flag(const std::vector<float>& read,
                                     const std::vector<float>& written) {
    const auto is_finite = [](float value) { return std::isfinite(value); };
    const bool finite =
        std::ranges::all_of(read, is_finite) && std::ranges::all_of(written, is_finite);
    return std::is_same_v<T, __half> && !finite ? 1 : 0;
  }
  // What a pool reads: an odd last row or column is skipped.
  static std::vector<float> in_windows(const std::vector<float>& values,
                                       const reference::BatchShape& shape) {
    std::vector<float> read;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t pixel = i / shape.channels;
      const std::size_t x = pixel % shape.width, y = pixel / shape.width % shape.height;
      if (x / 2 < shape.width / 2 && y / 2 < shape.height / 2) read.push_back(values[i]);
    }
    return read;
  }
};
TYPED_TEST_SUITE(BackboneKernels, test::StorageTypes);

TYPED_TEST(BackboneKernels, PreprocessKnowsEveryByteInEveryChannelAndForm) {
  std::vector<std::uint8_t> rgb(3 * 256);
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    rgb[i] = static_cast<std::uint8_t>(i / 3 + 85 * (i % 3));
  }
  for (const auto& tables : {rescale_tables(), caffe_tables(), torch_tables()}) {
    this->expect_preprocess(rgb, tables, 3, 0);
  }
}

TYPED_TEST(BackboneKernels, PreprocessHasRightTailsForEverySizeAndAlignment) {
  std::vector<std::uint8_t> rgb(3 * 2100);
  std::iota(rgb.begin(), rgb.end(), std::uint8_t{7});
  const PixelTables tables = caffe_tables();
  for (const std::size_t pixels : {0, 1, 2, 3, 5, 6, 11, 16, 17, 33, 2047, 2048, 2049, 2100}) {
    for (const std::size_t channels : {3, 4, 8}) {
      const std::vector<std::uint8_t> some(rgb.begin(),
                                           rgb.begin() + static_cast<std::ptrdiff_t>(3 * pixels));
      for (const std::size_t offset : {0, 1, 5}) {
        if (pixels > 100 && offset == 5) continue;
        this->expect_preprocess(some, tables, channels, offset);
      }
    }
  }
}

TYPED_TEST(BackboneKernels, BiasReluHasRightTailsForEverySizeAndAlignment) {
  for (std::size_t pixels = 0; pixels <= 2 * this->pack; ++pixels) {
    this->expect_bias_relu(pixels, 1, pixels % 3, 0);
    for (const std::size_t channels : {2, 3, 4, 5, 8, 13, 16}) {
      this->expect_bias_relu(pixels, channels, 0, 0);
      this->expect_bias_relu(pixels, channels, 1 + pixels % this->pack, 0);
      this->expect_bias_relu(pixels, channels, 0, 1);
    }
  }
}

TYPED_TEST(BackboneKernels, BiasReluFillsAndCrossesBlocks) {
  for (const std::size_t pixels : {255, 256, 257}) {
    this->expect_bias_relu(pixels, this->pack, 0, 0);
    this->expect_bias_relu(pixels, 2 * this->pack - 1, 1, 0);
  }
}

TYPED_TEST(BackboneKernels, PoolDropsOddLinesAndColumns) {
  for (std::size_t height = 0; height <= 5; ++height) {
    for (std::size_t width = 0; width <= 5; ++width) {
      this->expect_pool({2, height, width, 3}, 0);
      this->expect_pool({1, height, width, 16}, 0);
    }
  }
}

TYPED_TEST(BackboneKernels, PoolHasRightTailsForEveryChannelCountAndAlignment) {
  for (std::size_t channels = 1; channels <= 2 * this->pack; ++channels) {
    for (std::size_t offset = 0; offset <= this->pack; ++offset) {
      this->expect_pool({1, 2, 4, channels}, offset);
    }
  }
}

TYPED_TEST(BackboneKernels, PoolFillsAndCrossesBlocks) {
  this->expect_pool({1, 3, 2 * 127, this->pack}, 0);
  this->expect_pool({2, 2, 2 * 128, this->pack}, 0);
  this->expect_pool({1, 5, 2 * 129 + 1, this->pack}, 0);
}

// In each of the four positions of a window.
TYPED_TEST(BackboneKernels, ANanAnywhereInAWindowMakesItNan) {
  for (std::size_t place = 0; place < 4; ++place) {
    std::vector<float> values(4 * 8, 1.0F);
    values[place * 8 + 2] = std::numeric_limits<float>::quiet_NaN();
    const DeviceArray<TypeParam> in(stored<TypeParam>(values));
    const DeviceArray<float> bias(std::vector<float>(8, -2.0F));
    const DeviceArray<TypeParam> out(8);
    cuda::bias_relu_max_pool(out.get(), in.get(), bias.get(), {1, 2, 2, 8}, nullptr);
    const std::vector<float> pooled = numbers<TypeParam>(out.host());
    EXPECT_TRUE(std::isnan(pooled[2])) << "place " << place;
    EXPECT_EQ(pooled[1], 0.0F);
  }
}

// At every place of two packs and of a tail, aligned and not. Halves that are finite raise no flag.
TYPED_TEST(BackboneKernels, BiasReluFlagsEveryHalfThatIsNotFinite) {
  for (const std::size_t channels : {this->pack, 2 * this->pack, 2 * this->pack + 3}) {
    const std::size_t count = channels == this->pack ? 2 * channels : channels;
    for (const std::size_t offset : {0, 1}) {
      std::vector<float> values = rounded<TypeParam>(random_numbers(count, 11));
      this->expect_bias_relu(values, this->large_bias(channels), offset, 0);
      for (float& value : values) {
        for (const float large : this->too_large()) {
          const float finite = std::exchange(value, rounded<TypeParam>({large})[0]);
          this->expect_bias_relu(values, this->large_bias(channels), offset, 0);
          value = finite;
        }
      }
    }
  }
}

// In each window, and in the last row and column of an odd map, which are not read.
TYPED_TEST(BackboneKernels, PoolFlagsEveryHalfThatIsNotFinite) {
  for (const std::size_t channels : {this->pack, this->pack + 3}) {
    const reference::BatchShape shape = {1, 3, 3, channels};
    std::vector<float> values = rounded<TypeParam>(random_numbers(shape.count(), 12));
    this->expect_pool(values, this->large_bias(channels), shape, 0);
    for (float& value : values) {
      for (const float large : this->too_large()) {
        const float finite = std::exchange(value, rounded<TypeParam>({large})[0]);
        this->expect_pool(values, this->large_bias(channels), shape, 0);
        value = finite;
      }
    }
  }
}

TYPED_TEST(BackboneKernels, CastIsExactForEverySizeAndAlignment) {
  for (std::size_t count = 0; count <= 40; ++count) {
    for (std::size_t offset = 0; offset <= this->pack; ++offset) {
      const std::vector<float> values = rounded<TypeParam>(odd_numbers(count, 8));
      const DeviceArray<TypeParam> in(stored<TypeParam>(values), offset);
      const DeviceArray<float> out(count, offset % 5);
      cuda::cast_features(out.get(), in.get(), count, nullptr);
      ASSERT_TRUE(nearly_equal(out.host(), values, 0.0)) << count << ", offset " << offset;
      ASSERT_TRUE(out.guards_intact());
    }
  }
}

TYPED_TEST(BackboneKernels, CastFillsAndCrossesBlocks) {
  for (const std::size_t count : {1023, 1024, 1025, 2051}) {
    const std::vector<float> values = rounded<TypeParam>(odd_numbers(count, 9));
    const DeviceArray<TypeParam> in(stored<TypeParam>(values));
    const DeviceArray<float> out(count);
    cuda::cast_features(out.get(), in.get(), count, nullptr);
    ASSERT_TRUE(nearly_equal(out.host(), values, 0.0)) << count;
  }
}

}  // namespace
}  // namespace graft
