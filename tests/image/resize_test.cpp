// resize_image against what Pillow 13 made of the same images (pillow_golden.h).

#include <zlib.h>

#include <numeric>

#include "tests/image/decode_support.h"
#include "tests/image/pillow_golden.h"

namespace graft::test {

namespace {

std::vector<std::uint8_t> resized(const Image& image, Resize filter, ImageSize size) {
  std::vector<std::uint8_t> target(std::size_t{size.width} * size.height * 3);
  resize_image(image, filter, size, target);
  return target;
}

}  // namespace

TEST(Resize, IsPillowsForEveryFilterAndShape) {
  for (const GoldenResize& golden : golden_resizes) {
    const std::vector<std::uint8_t> pixels =
        resized(noise_image(golden.in_width, golden.in_height), golden.filter,
                {golden.out_height, golden.out_width});
    const std::string name =
        std::string(name_of(golden.filter)) + " " + std::to_string(golden.in_width) + "x" +
        std::to_string(golden.in_height) + " to " + std::to_string(golden.out_width) + "x" +
        std::to_string(golden.out_height);
    EXPECT_EQ(std::accumulate(pixels.begin(), pixels.end(), std::uint64_t{0}), golden.sum) << name;
    EXPECT_EQ(crc32_z(0, pixels.data(), pixels.size()), golden.crc32) << name;
  }
}

TEST(Resize, NearestTakesColumnsByARunningSum) {
  // floor((i + .5) · 500 / 150) gives other columns for 26 of the 150.
  Image image{500, 1, {}};
  for (std::uint32_t x = 0; x < image.width; ++x) {
    image.rgb.push_back(static_cast<std::uint8_t>(x >> 8));
    image.rgb.push_back(static_cast<std::uint8_t>(x & 0xFF));
    image.rgb.push_back(0);
  }
  const std::vector<std::uint8_t> pixels = resized(image, Resize::nearest, {1, 150});
  int differ_from_closed_form = 0;
  double position = 500.0 / 150 * 0.5;
  for (std::uint32_t i = 0; i < 150; ++i, position += 500.0 / 150) {
    const std::uint32_t column = pixels[3 * i] << 8 | pixels[3 * i + 1];
    EXPECT_EQ(column, static_cast<std::uint32_t>(position)) << i;
    differ_from_closed_form += column != (2 * i + 1) * 500 / 300 ? 1 : 0;
  }
  EXPECT_EQ(differ_from_closed_form, 26);
}

TEST(Resize, KeepsAFlatImageFlat) {
  for (const Resize filter :
       {Resize::nearest, Resize::bilinear, Resize::bicubic, Resize::lanczos}) {
    const Image flat{31, 17, std::vector<std::uint8_t>(31 * 17 * 3, 255)};
    EXPECT_THAT(resized(flat, filter, {40, 9}), ::testing::Each(255)) << name_of(filter);
  }
}

TEST(Resize, RefusesSizesThatDoNotFitTogether) {
  const Image image = noise_image(4, 4);
  std::vector<std::uint8_t> target(2 * 2 * 3);
  EXPECT_THROW(resize_image(image, Resize::nearest, {2, 3}, target), Error);
  EXPECT_THROW(resize_image(image, Resize::nearest, {0, 2}, {}), Error);
  EXPECT_THROW(resize_image(Image{}, Resize::nearest, {2, 2}, target), Error);
  EXPECT_THROW(resize_image(Image{4, 5, image.rgb}, Resize::nearest, {2, 2}, target), Error);
}

}  // namespace graft::test
