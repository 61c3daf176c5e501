#include "bench/suites/made_photos.h"

#include <cmath>
#include <random>

#include "bench/suites/jpeg_writer.h"

namespace graft::bench {

Image made_picture(std::uint32_t seed) {
  constexpr std::uint32_t width = 500, height = 374;
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> angle(0.0F, 6.28F);
  const float turn = angle(generator), shift = angle(generator);
  Image image{width, height, {}};
  image.rgb.reserve(std::size_t{width} * height * 3);
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      const float u =
          std::cos(turn) * static_cast<float>(x) + std::sin(turn) * static_cast<float>(y);
      const float v =
          std::cos(turn) * static_cast<float>(y) - std::sin(turn) * static_cast<float>(x);
      const float shapes = 60.0F * std::sin(u / 90.0F + shift) + 30.0F * std::sin(v / 17.0F) +
                           12.0F * std::sin(u / 5.0F) * std::sin(v / 4.0F);
      for (const float colour : {130.0F, 115.0F, 95.0F}) {
        const auto noise = static_cast<float>(generator() % 13) - 6.0F;
        const float value = colour + shapes + noise;
        image.rgb.push_back(static_cast<std::uint8_t>(std::fmin(std::fmax(value, 0.0F), 255.0F)));
      }
    }
  }
  return image;
}

std::vector<std::byte> made_photo(std::uint32_t seed) {
  return jpeg_file(made_picture(seed), {});
}

}  // namespace graft::bench
