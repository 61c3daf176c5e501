// turn_to_view against a reference that computes where each pixel comes from.

#include <stdexcept>

#include "tests/image/decode_support.h"

namespace graft::test {
namespace {

std::vector<std::uint8_t> reference(const std::vector<std::uint8_t>& pixels, ImageSize size,
                                    View view) {
  const bool mirrored = view == View::horizontal || view == View::rotate180;
  const bool upside_down = view == View::vertical || view == View::rotate180;
  std::vector<std::uint8_t> turned;
  for (std::uint32_t y = 0; y < size.height; ++y) {
    for (std::uint32_t x = 0; x < size.width; ++x) {
      const std::size_t from_y = upside_down ? size.height - 1 - y : y;
      const std::size_t from_x = mirrored ? size.width - 1 - x : x;
      for (std::size_t c = 0; c < 3; ++c) {
        turned.push_back(pixels[(from_y * size.width + from_x) * 3 + c]);
      }
    }
  }
  return turned;
}

TEST(View, IsTheReferenceForEveryViewAndSize) {
  for (std::uint32_t height = 1; height <= 6; ++height) {
    for (std::uint32_t width = 1; width <= 6; ++width) {
      const Image image = noise_image(width, height);
      for (const View view : {View::original, View::horizontal, View::vertical, View::rotate180}) {
        std::vector<std::uint8_t> pixels = image.rgb;
        turn_to_view(pixels, {height, width}, view);
        EXPECT_EQ(pixels, reference(image.rgb, {height, width}, view))
            << name_of(view) << " of " << height << "x" << width;
        turn_to_view(pixels, {height, width}, view);
        EXPECT_EQ(pixels, image.rgb) << name_of(view) << " twice";
      }
    }
  }
}

TEST(View, RefusesPixelsOfAnotherSize) {
  std::vector<std::uint8_t> pixels(3 * 4 * 5 - 1);
  EXPECT_THROW(turn_to_view(pixels, {4, 5}, View::vertical), std::invalid_argument);
}

}  // namespace
}  // namespace graft::test
