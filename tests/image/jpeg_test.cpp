#include "tests/image/decode_support.h"

namespace graft::test {

namespace {

// Row 0 and column 0 of a stored image belong to these sides of the upright one (EXIF 2.3, table
// 6).
struct Sides {
  bool row_0_is_top_or_bottom;  // else left or right
  bool row_0_is_far;            // bottom or right
  bool column_0_is_far;
};
constexpr Sides sides_of_orientation[] = {
    {true, false, false},  {true, false, true},  {true, true, true},  {true, true, false},
    {false, false, false}, {false, true, false}, {false, true, true}, {false, false, true}};

// 32 × 16, in four areas: red at row 0 and column 0, green at row 0 only, blue at column 0 only.
Image four_areas() {
  Image image{32, 16, {}};
  for (std::uint32_t y = 0; y < 16; ++y) {
    for (std::uint32_t x = 0; x < 32; ++x) {
      const bool top = y < 8;
      const bool left = x < 16;
      image.rgb.push_back(top && left ? 250 : 5);
      image.rgb.push_back(top && !left ? 250 : 5);
      image.rgb.push_back(!top && left ? 250 : 5);
    }
  }
  return image;
}

int brightest_channel(const Image& image, bool bottom, bool right) {
  const std::size_t y = bottom ? image.height - 1 : 0;
  const std::size_t x = right ? image.width - 1 : 0;
  const std::uint8_t* pixel = &image.rgb[(y * image.width + x) * 3];
  return static_cast<int>(std::max_element(pixel, pixel + 3) - pixel);
}

void expect_upright(const Image& image, int orientation) {
  SCOPED_TRACE(orientation);
  const Sides& sides = sides_of_orientation[orientation - 1];
  ASSERT_EQ(image.width, sides.row_0_is_top_or_bottom ? 32U : 16U);
  ASSERT_EQ(image.height, sides.row_0_is_top_or_bottom ? 16U : 32U);
  const auto channel_at = [&](bool far_row, bool far_column) {
    return sides.row_0_is_top_or_bottom ? brightest_channel(image, far_row, far_column)
                                        : brightest_channel(image, far_column, far_row);
  };
  EXPECT_EQ(channel_at(sides.row_0_is_far, sides.column_0_is_far), 0);
  EXPECT_EQ(channel_at(sides.row_0_is_far, !sides.column_0_is_far), 1);
  EXPECT_EQ(channel_at(!sides.row_0_is_far, sides.column_0_is_far), 2);
}

}  // namespace

TEST(Jpeg, KeepsASmoothPicture) {
  const Image image = smooth_image(61, 47);
  for (const bool progressive : {false, true}) {
    for (const auto& [h, v] : {std::pair{1, 1}, {2, 1}, {2, 2}, {1, 2}}) {
      for (const int restart : {0, 3}) {
        JpegOptions options;
        options.quality = 98;
        options.horizontal_sampling = h;
        options.vertical_sampling = v;
        options.progressive = progressive;
        options.restart_interval = restart;
        const Image decoded = decode_image(jpeg_file(image, options), {});
        EXPECT_LE(largest_difference(decoded, image), 6) << progressive << h << v << restart;
      }
    }
  }
}

TEST(Jpeg, GrayIsTheSameInAllChannels) {
  const Image image = smooth_image(40, 30);
  JpegOptions options;
  options.channels = 1;
  const Image decoded = decode_image(jpeg_file(image, options), {});
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    ASSERT_NEAR(decoded.rgb[i], image.rgb[i], 5);
    ASSERT_EQ(decoded.rgb[i], decoded.rgb[i + 1]);
    ASSERT_EQ(decoded.rgb[i], decoded.rgb[i + 2]);
  }
}

TEST(Jpeg, CmykIsInvertedAsAdobeWritesIt) {
  Image image = smooth_image(40, 30);
  JpegOptions options;
  options.channels = 4;
  options.quality = 100;
  const Image decoded = decode_image(jpeg_file(image, options), {});
  // 40 of black ink leave 215; the file's colour byte is 255 - ink.
  for (std::uint8_t& value : image.rgb) {
    value = static_cast<std::uint8_t>(215 - ((255 - value) * 215 + 127) / 255);
  }
  EXPECT_LE(largest_difference(decoded, image), 4);
}

TEST(Jpeg, ExifOrientationIsIgnoredUnlessAskedFor) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    JpegOptions options;
    options.orientation = orientation;
    options.horizontal_sampling = 1;  // sharp edges in colour
    options.vertical_sampling = 1;
    const Bytes file = jpeg_file(four_areas(), options);
    expect_upright(decode_image(file, {true, Gray16::high_byte}), orientation);
    EXPECT_LE(largest_difference(decode_image(file, {}), four_areas()), 25);
  }
}

TEST(Jpeg, AnOrientationThatDoesNotExistIsIgnored) {
  JpegOptions options;
  options.orientation = 9;
  const Image decoded = decode_image(jpeg_file(four_areas(), options), {true, Gray16::high_byte});
  EXPECT_EQ(decoded.width, 32U);
}

TEST(Jpeg, EveryTruncationIsRefused) {
  for (const bool progressive : {false, true}) {
    JpegOptions options;
    options.progressive = progressive;
    const Bytes file = jpeg_file(noise_image(40, 24), options);
    for (std::size_t size = 0; size < file.size() - 1; ++size) {
      ASSERT_NE(decode_error(Bytes(file.begin(), file.begin() + size)), "") << size;
    }
    EXPECT_THAT(decode_error(Bytes(file.begin(), file.begin() + file.size() / 2)),
                ::testing::HasSubstr("truncated"));
  }
}

TEST(Jpeg, BytesAfterTheEndDoNotMatter) {
  Bytes file = jpeg_file(smooth_image(16, 16));
  const Image image = decode_image(file, {});
  file.resize(file.size() + 1000);
  EXPECT_EQ(decode_image(file, {}).rgb, image.rgb);
}

TEST(Jpeg, AProgressiveFileOfEndlessScansIsRefused) {
  JpegOptions options;
  options.progressive = true;
  const Bytes file = jpeg_file(smooth_image(16, 16), options);
  // The last scan, from its tables on, again and again.
  std::size_t last_scan = 0;
  for (std::size_t i = 0; i + 1 < file.size(); ++i) {
    if (file[i] == std::byte{0xFF} && file[i + 1] == std::byte{0xDA}) last_scan = i;
  }
  Bytes endless(file.begin(), file.end() - 2);
  for (int i = 0; i < 1000; ++i) {
    endless.insert(endless.end(), file.begin() + last_scan, file.end() - 2);
  }
  endless.insert(endless.end(), file.end() - 2, file.end());
  EXPECT_THAT(decode_error(endless), ::testing::HasSubstr("scans"));
}

TEST(Jpeg, ASizeThatTheFileCannotHoldIsRefusedBeforeMemoryIsTaken) {
  Bytes file = jpeg_file(smooth_image(16, 16));
  for (std::size_t i = 0; i + 9 < file.size(); ++i) {
    if (file[i] != std::byte{0xFF} || file[i + 1] != std::byte{0xC0}) continue;
    for (std::size_t at = i + 5; at < i + 9; ++at) file[at] = std::byte{0x30};  // 12,336 each way
  }
  EXPECT_THAT(inspect_error(file), ::testing::HasSubstr("cannot hold its 12336 x 12336 pixels"));
  EXPECT_EQ(decode_error(file), inspect_error(file));
}

}  // namespace graft::test
