#pragma once
// JPEG files that stand for photos: the size of those of a pet set (500×374), its sampling (4:2:0)
// and about its bits a pixel, which decide what decoding costs.

#include <jpeglib.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "engine/image/image.h"

namespace graft::bench {

// Soft shapes of three sizes and a little noise, other ones for each seed.
inline Image made_picture(std::uint32_t seed) {
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

inline std::vector<std::byte> made_photo(std::uint32_t seed) {
  Image image = made_picture(seed);
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = image.width;
  info.image_height = image.height;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);  // 4:2:0
  jpeg_set_quality(&info, 75, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = &image.rgb[std::size_t{info.next_scanline} * image.width * 3];
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const auto* begin = reinterpret_cast<const std::byte*>(buffer);
  std::vector<std::byte> file(begin, begin + size);
  std::free(buffer);
  return file;
}

}  // namespace graft::bench
