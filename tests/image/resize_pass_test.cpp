// The two passes against a reference sum in 64 bits, with the machine's best instructions and with
// portable ones, over widths that leave every tail.

#include "engine/image/resize_pass.h"

#include "tests/image/decode_support.h"

namespace graft::image {

namespace {

std::uint8_t reference_sum(const std::uint8_t* in, std::size_t step, const Weights& weights,
                           std::size_t position) {
  std::int64_t sum = std::int64_t{1} << (fraction_bits - 1);
  for (std::size_t t = 0; t < weights.count[position]; ++t) {
    sum += std::int64_t{in[(weights.first[position] + t) * step]} * weights.of(position)[t];
  }
  return static_cast<std::uint8_t>(
      std::clamp<std::int64_t>(sum >> fraction_bits, std::int64_t{0}, std::int64_t{255}));
}

std::vector<std::uint8_t> reference_rows(const Image& image, const Weights& weights) {
  std::vector<std::uint8_t> out;
  for (std::size_t y = 0; y < image.height; ++y) {
    for (std::size_t x = 0; x < weights.size(); ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        out.push_back(reference_sum(&image.rgb[y * image.width * 3 + c], 3, weights, x));
      }
    }
  }
  return out;
}

std::vector<std::uint8_t> reference_columns(const Image& image, const Weights& weights) {
  const std::size_t row_bytes = std::size_t{image.width} * 3;
  std::vector<std::uint8_t> out;
  for (std::size_t y = 0; y < weights.size(); ++y) {
    for (std::size_t x = 0; x < row_bytes; ++x) {
      out.push_back(reference_sum(&image.rgb[x], row_bytes, weights, y));
    }
  }
  return out;
}

}  // namespace

TEST(ResizePass, RowsAreTheReferenceSum) {
  for (std::uint32_t width = 1; width <= 40; ++width) {
    const Image image = test::noise_image(width, 3);
    for (const std::uint32_t target : {1U, 7U, 32U, 61U}) {
      const Weights weights = weights_of(Resize::lanczos, width, target);
      const std::vector<std::uint8_t> expected = reference_rows(image, weights);
      std::vector<std::uint8_t> best(expected.size());
      std::vector<std::uint8_t> portable(expected.size());
      resize_rows(image.rgb.data(), width, 3, weights, best.data());
      resize_rows(image.rgb.data(), width, 3, weights, portable.data(), Instructions::portable);
      EXPECT_EQ(best, expected) << width << " to " << target;
      EXPECT_EQ(portable, expected) << width << " to " << target;
    }
  }
}

TEST(ResizePass, ColumnsAreTheReferenceSum) {
  for (std::uint32_t width = 1; width <= 24; ++width) {  // 3 to 72 bytes: strips of 32 and tails
    const Image image = test::noise_image(width, 29);
    for (const std::uint32_t target : {1U, 13U, 50U}) {
      const Weights weights = weights_of(Resize::bicubic, image.height, target);
      const std::vector<std::uint8_t> expected = reference_columns(image, weights);
      std::vector<std::uint8_t> best(expected.size());
      std::vector<std::uint8_t> portable(expected.size());
      resize_columns(image.rgb.data(), width * std::size_t{3}, weights, best.data());
      resize_columns(image.rgb.data(), width * std::size_t{3}, weights, portable.data(),
                     Instructions::portable);
      EXPECT_EQ(best, expected) << width << " to " << target;
      EXPECT_EQ(portable, expected) << width << " to " << target;
    }
  }
}

TEST(ResizeWeights, SumToOneAndStayInsideTheImage) {
  for (const Resize filter : {Resize::bilinear, Resize::bicubic, Resize::lanczos}) {
    for (const std::uint32_t in : {1U, 2U, 9U, 500U}) {
      for (const std::uint32_t out : {1U, 3U, 150U, 700U}) {
        const Weights weights = weights_of(filter, in, out);
        for (std::size_t i = 0; i < out; ++i) {
          ASSERT_LE(weights.first[i] + weights.count[i], in);
          ASSERT_LE(weights.count[i], weights.stride);
          std::int64_t sum = 0;
          for (std::size_t t = 0; t < weights.count[i]; ++t) sum += weights.of(i)[t];
          EXPECT_NEAR(static_cast<double>(sum), 1 << fraction_bits, weights.count[i]) << in << out;
        }
      }
    }
  }
}

}  // namespace graft::image
