// Flips of an image in place.

#include <algorithm>
#include <array>
#include <stdexcept>

#include "engine/image/image.h"

namespace graft {
namespace {

using Pixel = std::array<std::uint8_t, 3>;
static_assert(sizeof(Pixel) == 3);

}  // namespace

void turn_to_view(std::span<std::uint8_t> pixels, ImageSize size, View view) {
  const std::size_t count = std::size_t{size.height} * size.width;
  if (pixels.size() != count * sizeof(Pixel)) {
    throw std::invalid_argument("the pixels of an image are height × width × 3 bytes");
  }
  const std::span<Pixel> image(reinterpret_cast<Pixel*>(pixels.data()), count);
  // Upside down is turned by 180°, then left to right.
  if (view == View::rotate180 || view == View::vertical) std::ranges::reverse(image);
  if (view == View::rotate180 || view == View::original) return;
  for (std::size_t row = 0; row < count; row += size.width) {
    std::ranges::reverse(image.subspan(row, size.width));
  }
}

}  // namespace graft
