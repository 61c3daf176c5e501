#include <cstring>

#include "engine/base/file.h"
#include "tests/image/decode_support.h"
#include "tests/support/support.h"

namespace graft::test {

namespace {

constexpr std::uint32_t width = 37;
constexpr std::uint32_t height = 23;
constexpr int none = 1;
constexpr int lzw = 5;
constexpr int deflate = 8;

std::vector<std::uint8_t> random_bytes(std::size_t count) {
  std::vector<std::uint8_t> bytes = noise_image(static_cast<std::uint32_t>(count / 3 + 1), 1).rgb;
  bytes.resize(count);
  return bytes;
}

std::uint32_t sample16(const std::vector<std::uint8_t>& samples, std::size_t index) {
  std::uint16_t value = 0;
  std::memcpy(&value, &samples[2 * index], 2);
  return value;
}

}  // namespace

TEST(Tiff, RgbInStripsTilesAndPlanes) {
  const Image image = noise_image(width, height);
  for (const int compression : {none, lzw, deflate}) {
    for (const std::uint32_t tile : {0U, 16U}) {
      for (const bool separate : {false, true}) {
        TiffOptions options;
        options.compression = compression;
        options.tile = tile;
        options.separate_planes = separate;
        const Image decoded = decode_image(tiff_file(width, height, image.rgb, options), {});
        EXPECT_EQ(decoded.rgb, image.rgb) << compression << " " << tile << " " << separate;
      }
    }
  }
}

TEST(Tiff, GrayOfEightBitsWithBlackOrWhiteAtZero) {
  const std::vector<std::uint8_t> samples = random_bytes(width * height);
  for (const int photometric : {0, 1}) {
    TiffOptions options;
    options.samples = 1;
    options.photometric = photometric;
    const Image image = decode_image(tiff_file(width, height, samples, options), {});
    for (std::size_t i = 0; i < samples.size(); ++i) {
      ASSERT_EQ(image.rgb[3 * i + 1], photometric == 0 ? 255 - samples[i] : samples[i]);
    }
  }
}

TEST(Tiff, SixteenBitsOfEitherByteOrder) {
  for (const bool big_endian : {false, true}) {
    const std::vector<std::uint8_t> gray = random_bytes(width * height * 2);
    TiffOptions options;
    options.samples = 1;
    options.bits = 16;
    options.photometric = 1;
    options.big_endian = big_endian;
    const Bytes file = tiff_file(width, height, gray, options);
    const Image high = decode_image(file, {false, Gray16::high_byte});
    const Image clipped = decode_image(file, {false, Gray16::clip});
    for (std::size_t i = 0; i < width * height; ++i) {
      ASSERT_EQ(high.rgb[3 * i], sample16(gray, i) >> 8);
      ASSERT_EQ(clipped.rgb[3 * i], std::min(sample16(gray, i), 255U));
    }
    const std::vector<std::uint8_t> colours = random_bytes(width * height * 6);
    options.samples = 3;
    options.photometric = 2;
    const Image rgb = decode_image(tiff_file(width, height, colours, options), {});
    for (std::size_t i = 0; i < rgb.rgb.size(); ++i) {
      ASSERT_EQ(rgb.rgb[i], sample16(colours, i) >> 8);
    }
  }
}

TEST(Tiff, AlphaIsDroppedAndMultipliedColoursAreDivided) {
  const std::vector<std::uint8_t> samples = random_bytes(width * height * 4);
  TiffOptions options;
  options.samples = 4;
  for (const int extra : {0, 1, 2}) {
    options.extra_sample = extra;
    const Image image = decode_image(tiff_file(width, height, samples, options), {});
    for (std::size_t i = 0; i < image.rgb.size(); ++i) {
      const int value = samples[i / 3 * 4 + i % 3];
      const int alpha = samples[i / 3 * 4 + 3];
      const int divided = alpha == 0 ? 0 : std::min(value * 255 / alpha, 255);
      ASSERT_EQ(image.rgb[i], extra == 1 ? divided : value);
    }
  }
}

TEST(Tiff, CmykIsInkNotInverted) {
  TiffOptions options;
  options.samples = 4;
  options.photometric = 5;
  const Image image = decode_image(tiff_file(2, 1, {255, 0, 100, 0, 255, 0, 100, 55}, options), {});
  EXPECT_EQ(image.rgb, (std::vector<std::uint8_t>{0, 255, 155, 0, 200, 122}));
}

TEST(Tiff, BandsThatAreCalledGrayAreRefusedNeverReadInPart) {
  for (const int samples : {3, 4, 5}) {
    for (const int extra : {-1, 0}) {  // undeclared, and declared as GDAL does
      for (const bool separate : {false, true}) {
        for (const int bits : {8, 16}) {
          TiffOptions options;
          options.samples = samples;
          options.bits = bits;
          options.photometric = 1;
          options.extra_sample = extra;
          options.extra_samples = samples - 1;
          options.separate_planes = separate;
          const auto size = static_cast<std::size_t>(width * height * samples * bits / 8);
          EXPECT_THAT(inspect_error(tiff_file(width, height, random_bytes(size), options)),
                      ::testing::HasSubstr("does not say which are red, green and blue"))
              << samples << " " << extra << " " << separate << " " << bits;
        }
      }
    }
  }
}

TEST(Tiff, ReferenceFilesOfBandsAreRefusedAsByPillow) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const std::filesystem::path folder = reference / "reference" / "field_faults" / "multiband_tiff";
  for (const char* name :
       {"m_3band_minisblack_u8.tif", "m_3band_minisblack_u16.tif", "m_4band_minisblack_u16.tif"})
    EXPECT_NE(inspect_error(read_file(folder / name, maximum_image_file_bytes)), "") << name;
}

TEST(Tiff, GrayMayHaveAlphaAndRgbAnUndeclaredFourthSample) {
  const std::vector<std::uint8_t> samples = random_bytes(width * height * 4);
  TiffOptions options;
  options.samples = 4;
  const Image rgb = decode_image(tiff_file(width, height, samples, options), {});
  for (std::size_t i = 0; i < rgb.rgb.size(); ++i)
    ASSERT_EQ(rgb.rgb[i], samples[i / 3 * 4 + i % 3]);
  options.samples = 2;
  options.photometric = 1;
  options.extra_sample = 2;
  const Image gray = decode_image(tiff_file(width, height, samples, options), {});
  for (std::size_t i = 0; i < width * height; ++i) ASSERT_EQ(gray.rgb[3 * i], samples[2 * i]);
}

TEST(Tiff, OrientationAlwaysTurnsIt) {
  const Image image = noise_image(width, height);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    SCOPED_TRACE(orientation);
    TiffOptions options;
    options.orientation = orientation;
    const Bytes file = tiff_file(width, height, image.rgb, options);
    const Image expected = turned(image, orientation);
    const Image decoded = decode_image(file, {});
    EXPECT_EQ(decoded.width, expected.width);
    EXPECT_EQ(decoded.height, expected.height);
    EXPECT_EQ(decoded.rgb, expected.rgb);
  }
}

TEST(Tiff, TruncatedAndImpossibleFilesAreRefused) {
  const Bytes file = tiff_file(width, height, noise_image(width, height).rgb);
  EXPECT_NE(inspect_error(Bytes(file.begin(), file.begin() + file.size() / 2)), "");
  EXPECT_NE(decode_error(bytes_of(std::string_view("II*\0\xFF\xFF\xFF\x7F", 8))), "");
  TiffOptions options;
  options.samples = 1;
  options.bits = 32;
  options.photometric = 1;
  EXPECT_NE(inspect_error(tiff_file(3, 2, random_bytes(24), options)), "");
}

}  // namespace graft::test
