// Damaged files of every format: an image or a BadImage comes out, nothing else, and nothing
// crashes.

#include <random>

#include "tests/image/decode_support.h"

namespace graft::test {

namespace {

std::vector<std::pair<std::string, Bytes>> sample_files() {
  const Image image = noise_image(24, 18);
  JpegOptions progressive;
  progressive.progressive = true;
  JpegOptions cmyk;
  cmyk.channels = 4;
  JpegOptions with_exif;
  with_exif.orientation = 6;
  TiffOptions lzw;
  lzw.compression = 5;
  TiffOptions tiled_planes;
  tiled_planes.tile = 16;
  tiled_planes.separate_planes = true;
  PngOptions palette{3, 8};
  palette.palette = Bytes(30, std::byte{9});
  const Bytes palette_rows(std::size_t{25} * 18);
  return {
      {"baseline JPEG", jpeg_file(image)},
      {"progressive JPEG", jpeg_file(image, progressive)},
      {"CMYK JPEG", jpeg_file(image, cmyk)},
      {"JPEG with EXIF", jpeg_file(image, with_exif)},
      {"PNG", png_file(image)},
      {"PNG with a palette", png_file(24, 18, palette_rows, palette)},
      {"BMP", bmp_file(image)},
      {"PNM", pnm_file('6', 24, 18, 255, image.rgb)},
      {"TIFF", tiff_file(24, 18, image.rgb)},
      {"LZW TIFF", tiff_file(24, 18, image.rgb, lzw)},
      {"tiled TIFF", tiff_file(24, 18, image.rgb, tiled_planes)},
      {"lossless WebP", webp_file(image)},
      {"lossy WebP", webp_file(image, 80)},
      {"WebP with alpha", webp_file(image, 80, true)},
      {"GIF", gif_file(image)},
      {"interlaced GIF", gif_file(image, true)},
  };
}

// The pixels, if an image came out. Any other exception than BadImage fails the test.
std::vector<std::uint8_t> decoded_pixels(const Bytes& file) {
  std::vector<std::uint8_t> pixels;
  try {
    const Image image = decode_image(file, {true, Gray16::high_byte});
    EXPECT_EQ(image.rgb.size(), std::size_t{image.width} * image.height * 3);
    EXPECT_GT(image.rgb.size(), 0U);
    pixels = image.rgb;
  } catch (const BadImage&) {
  }
  try {
    inspect_image(file);
  } catch (const BadImage&) {
    EXPECT_TRUE(pixels.empty()) << "inspection refuses what can be decoded";
  }
  return pixels;
}

// PNG's checksums would catch nearly every change; here they are made right again.
void repair_png_checksums(Bytes& file) {
  Bytes repaired = png_signature();
  std::size_t at = 8;
  while (at + 12 <= file.size()) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      length = length << 8 | std::to_integer<std::size_t>(file[at + i]);
    }
    if (file.size() - at - 12 < length) break;
    std::string type;
    for (std::size_t i = 4; i < 8; ++i) type.push_back(std::to_integer<char>(file[at + i]));
    append_png_chunk(repaired, type, Bytes(file.begin() + at + 8, file.begin() + at + 8 + length));
    at += 12 + length;
  }
  file = repaired;
}

}  // namespace

TEST(Damage, TruncationAnywhereIsRefused) {
  for (const auto& [name, file] : sample_files()) {
    const std::vector<std::uint8_t> pixels = decoded_pixels(file);
    ASSERT_FALSE(pixels.empty()) << name;
    for (std::size_t size = 0; size + 1 < file.size(); ++size) {
      const auto decoded = decoded_pixels(Bytes(file.begin(), file.begin() + size));
      // A TIFF may have its directory before the pixels, so that only padding is cut off. The end of a
      // PNG and a GIF has no pixels.
      const bool may_lack_its_end = name.find("TIFF") != name.npos ||
                                    (size + 13 > file.size() && name.find("PNG") != name.npos) ||
                                    (size + 3 > file.size() && name.find("GIF") != name.npos);
      ASSERT_TRUE(decoded.empty() || (decoded == pixels && may_lack_its_end))
          << name << " at " << size;
    }
  }
}

TEST(Damage, RandomChangesNeverDoWorseThanABadImage) {
  std::mt19937_64 random(20240607);
  std::size_t refused = 0;
  for (const auto& [name, file] : sample_files()) {
    const bool is_png = name.find("PNG") == 0;
    for (int round = 0; round < 400; ++round) {
      Bytes damaged = file;
      const int changes = 1 + static_cast<int>(random() % 4);
      for (int i = 0; i < changes; ++i) {
        // Half of the changes hit the header.
        const std::size_t range =
            random() % 2 == 0 ? std::min<std::size_t>(200, file.size()) : file.size();
        damaged[random() % range] = static_cast<std::byte>(random());
      }
      if (is_png && damaged.size() > 8 && round % 2 == 0) repair_png_checksums(damaged);
      SCOPED_TRACE(name + " round " + std::to_string(round));
      refused += decoded_pixels(damaged).empty() ? 1 : 0;
    }
  }
  EXPECT_GT(refused, 1000U);
}

}  // namespace graft::test
