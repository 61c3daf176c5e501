#include "tests/image/decode_support.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace graft::test {

std::string decode_error(const Bytes& file) {
  try {
    decode_image(file, {});
  } catch (const BadImage& error) {
    return error.what();
  }
  return "";
}

std::string inspect_error(const Bytes& file) {
  try {
    inspect_image(file);
  } catch (const BadImage& error) {
    return error.what();
  }
  return "";
}

int largest_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height || a.rgb.size() != b.rgb.size()) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) {
    largest = std::max(largest, std::abs(int{a.rgb[i]} - int{b.rgb[i]}));
  }
  return largest;
}

Image turned(const Image& stored, int orientation) {
  const bool on_its_side = orientation >= 5;
  Image image{on_its_side ? stored.height : stored.width,
              on_its_side ? stored.width : stored.height,
              std::vector<std::uint8_t>(stored.rgb.size())};
  for (std::size_t y = 0; y < stored.height; ++y) {
    for (std::size_t x = 0; x < stored.width; ++x) {
      const std::size_t right = stored.width - 1 - x;
      const std::size_t below = stored.height - 1 - y;
      const std::pair<std::size_t, std::size_t> places[] = {
          {x, y}, {right, y}, {right, below}, {x, below},
          {y, x}, {below, x}, {below, right}, {y, right}};
      const auto [to_x, to_y] = places[orientation - 1];
      std::copy_n(&stored.rgb[(y * stored.width + x) * 3], 3,
                  &image.rgb[(to_y * image.width + to_x) * 3]);
    }
  }
  return image;
}

}  // namespace graft::test
