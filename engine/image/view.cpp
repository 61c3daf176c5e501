// Flips of an image in place.

#include <algorithm>
#include <array>
#include <stdexcept>

#include "engine/image/image.h"

namespace graft {
namespace {

using Pixel = std::array<std::uint8_t, 3>;
static_assert(sizeof(Pixel) == 3);

void flip_upside_down(std::span<Pixel> pixels, std::size_t width) {
  for (std::size_t top = 0, bottom = pixels.size(); top + width < bottom; top += width) {
    bottom -= width;
    std::swap_ranges(&pixels[top], &pixels[top] + width, &pixels[bottom]);
  }
}

void flip_left_to_right(std::span<Pixel> pixels, std::size_t width) {
  for (std::size_t row = 0; row < pixels.size(); row += width) {
    std::ranges::reverse(pixels.subspan(row, width));
  }
}

}  // namespace

void turn_to_view(std::span<std::uint8_t> pixels, ImageSize size, View view) {
  const std::size_t count = std::size_t{size.height} * size.width;
  if (pixels.size() != count * sizeof(Pixel)) {
    throw std::invalid_argument("the pixels of an image are height × width × 3 bytes");
  }
  const std::span<Pixel> image(reinterpret_cast<Pixel*>(pixels.data()), count);
  if (view == View::rotate180) std::ranges::reverse(image);
  if (view == View::vertical) flip_upside_down(image, size.width);
  if (view == View::horizontal) flip_left_to_right(image, size.width);
}

}  // namespace graft
