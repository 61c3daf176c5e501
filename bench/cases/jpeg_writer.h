#pragma once
// JPEG files in memory, for benchmarks and tests.

#include <cstddef>
#include <vector>

#include "engine/image/image.h"

namespace graft::bench {

struct JpegSettings {
  int quality = 75;
  // 1 gray (the red bytes), 3 RGB, 4 Adobe CMYK (red, green, blue and black ink 40)
  int channels = 3;
  int horizontal_sampling = 2, vertical_sampling = 2;  // of RGB; 2 and 2 is 4:2:0
  bool progressive = false;
  int restart_interval = 0;          // in blocks
  std::vector<std::byte> exif = {};  // contents of the APP1 segment; empty: no segment
  bool arithmetic = false;           // instead of Huffman's code
};

std::vector<std::byte> jpeg_file(const Image& image, const JpegSettings& settings);

}  // namespace graft::bench
