// decode_files < PATHS: decodes each file, turned by its metadata, 16-bit gray clipped as in Pillow, and
// prints "WIDTH HEIGHT CRC32" of its pixels, or "refused: REASON".

#include <fmt/format.h>
#include <zlib.h>

#include <iostream>

#include "engine/base/file.h"
#include "engine/image/image.h"

int main() {
  std::string path;
  while (std::getline(std::cin, path)) {
    try {
      const std::vector<std::byte> file = graft::read_file(path, graft::maximum_image_file_bytes);
      const graft::Image image = graft::decode_image(file, {true, graft::Gray16::clip});
      const auto crc = static_cast<std::uint32_t>(crc32_z(0, image.rgb.data(), image.rgb.size()));
      fmt::print("{} {} {:08x}\n", image.width, image.height, crc);
    } catch (const graft::BadImage& bad) {
      fmt::print("refused: {}\n", bad.what());
    }
  }
}
