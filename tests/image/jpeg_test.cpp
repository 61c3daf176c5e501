#include "engine/base/file.h"
#include "tests/image/decode_support.h"

namespace graft::test {

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

TEST(EncodeJpeg, IsReadBackNearlyTheSameAndEachTimeTheSameBytes) {
  for (const auto& [width, height] : {std::pair{160U, 120U}, {17U, 1U}, {1U, 1U}, {8U, 161U}}) {
    const Image image = smooth_image(width, height);
    const std::string file = encode_jpeg(image, 95);
    const Image decoded = decode_image(as_bytes(file), {});
    ASSERT_EQ(decoded.width, width);
    ASSERT_EQ(decoded.height, height);
    EXPECT_LE(largest_difference(decoded, image), 24);
    EXPECT_EQ(encode_jpeg(image, 95), file);
    EXPECT_EQ(file.find("Exif"), std::string::npos);
  }
  EXPECT_LT(encode_jpeg(smooth_image(160, 120), 50).size(),
            encode_jpeg(smooth_image(160, 120), 95).size());
}

TEST(EncodeJpeg, RefusesASizeThatJpegDoesNotHave) {
  EXPECT_THROW(encode_jpeg({}, 80), BadImage);
  EXPECT_THROW(encode_jpeg({65501, 1, std::vector<std::uint8_t>(65501 * 3)}, 80), BadImage);
}

TEST(ShrunkJpeg, IsTheSmallestHalvingThatIsLargeEnoughInBothDirections) {
  struct Case {
    std::uint32_t width, height;
    ImageSize target;  // height, width
    std::uint32_t shrunk_width, shrunk_height;
  };
  const Case cases[] = {
      {256, 128, {32, 32}, 64, 32},   // a quarter: an eighth has 16 rows
      {256, 128, {16, 32}, 32, 16},   // an eighth
      {256, 128, {1, 1}, 32, 16},     // never less than an eighth
      {256, 128, {33, 32}, 128, 64},  // one row too many for a quarter
      {256, 128, {32, 65}, 128, 64},  // one column too many
      {256, 128, {65, 129}, 256, 128}, {256, 128, {500, 500}, 256, 128},
      {253, 121, {16, 32}, 32, 16},  // sizes are rounded up
      {253, 121, {31, 64}, 64, 31},
  };
  for (const Case& one : cases) {
    DecodeOptions options;
    options.shrink_towards = one.target;
    const Image shrunk = decode_image(jpeg_file(smooth_image(one.width, one.height)), options);
    EXPECT_EQ(shrunk.width, one.shrunk_width) << one.target.height << "," << one.target.width;
    EXPECT_EQ(shrunk.height, one.shrunk_height) << one.target.height << "," << one.target.width;
    EXPECT_EQ(shrunk.rgb.size(), std::size_t{3} * shrunk.width * shrunk.height);
  }
}

TEST(ShrunkJpeg, HasTheMeansOfTheFullPicturesPixels) {
  for (const int channels : {1, 3, 4}) {
    for (const bool progressive : {false, true}) {
      JpegOptions jpeg;
      jpeg.quality = 98;
      jpeg.channels = channels;
      jpeg.progressive = progressive;
      const Bytes file = jpeg_file(smooth_image(160, 96), jpeg);
      const Image full = decode_image(file, {});
      for (const std::uint32_t step : {2U, 4U, 8U}) {
        DecodeOptions options;
        options.shrink_towards = ImageSize{96 / step, 160 / step};
        const Image shrunk = decode_image(file, options);
        ASSERT_EQ(shrunk.width, 160 / step);
        int largest = 0;
        for (std::size_t i = 0; i < shrunk.rgb.size(); ++i) {
          const std::size_t pixel = i / 3;
          const std::size_t x = pixel % shrunk.width * step;
          const std::size_t y = pixel / shrunk.width * step;
          int sum = 0;
          for (std::size_t row = y; row < y + step; ++row)
            for (std::size_t column = x; column < x + step; ++column)
              sum += full.rgb[(row * full.width + column) * 3 + i % 3];
          const int mean = sum / static_cast<int>(step * step);
          largest = std::max(largest, std::abs(mean - int{shrunk.rgb[i]}));
        }
        EXPECT_LE(largest, 6) << channels << progressive << step;
      }
    }
  }
}

TEST(ShrunkJpeg, IsTheFullPictureToTheByteIfThatIsNotMuchLarger) {
  for (const auto& [h, v] : {std::pair{1, 1}, {2, 2}}) {
    JpegOptions jpeg;
    jpeg.horizontal_sampling = h;
    jpeg.vertical_sampling = v;
    const Bytes file = jpeg_file(noise_image(99, 61), jpeg);
    DecodeOptions options;
    options.shrink_towards = ImageSize{32, 32};
    EXPECT_EQ(decode_image(file, options).rgb, decode_image(file, {}).rgb);
  }
}

TEST(ShrunkJpeg, IsLargeEnoughOnceItIsUpright) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    JpegOptions jpeg;
    jpeg.orientation = orientation;
    DecodeOptions options{true, Gray16::high_byte, ImageSize{64, 16}};
    const Image shrunk = decode_image(jpeg_file(smooth_image(256, 64), jpeg), options);
    const bool on_its_side = orientation >= 5;  // 256 rows and 64 columns: a quarter will do
    EXPECT_EQ(shrunk.height, 64U) << orientation;
    EXPECT_EQ(shrunk.width, on_its_side ? 16U : 256U) << orientation;
  }
}

TEST(ShrunkJpeg, IsRefusedWhereTheFileIsTruncated) {
  for (const bool progressive : {false, true}) {
    JpegOptions jpeg;
    jpeg.progressive = progressive;
    Bytes file = jpeg_file(noise_image(128, 128), jpeg);
    file.resize(file.size() * 3 / 4);
    DecodeOptions options;
    options.shrink_towards = ImageSize{32, 32};
    try {
      decode_image(file, options);
      ADD_FAILURE() << "no error";
    } catch (const BadImage& bad) {
      EXPECT_NE(std::string(bad.what()).find("of 128"), std::string::npos) << bad.what();
    }
  }
}

TEST(ShrunkJpeg, OtherFormatsAreNotShrunk) {
  DecodeOptions options;
  options.shrink_towards = ImageSize{32, 32};
  const Image image = noise_image(256, 256);
  EXPECT_EQ(decode_image(png_file(image), options).rgb, image.rgb);
  EXPECT_EQ(decode_image(bmp_file(image), options).rgb, image.rgb);
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
  const Image image = smooth_image(32, 16);
  for (int orientation = 1; orientation <= 9; ++orientation) {
    SCOPED_TRACE(orientation);
    JpegOptions options;
    options.orientation = orientation;
    const Bytes file = jpeg_file(image, options);
    const Image stored = decode_image(file, {});
    const Image expected = turned(stored, orientation == 9 ? 1 : orientation);  // 9 is invalid
    const Image upright = decode_image(file, {true, Gray16::high_byte});
    EXPECT_LE(largest_difference(stored, image), 25);
    EXPECT_EQ(upright.width, expected.width);
    EXPECT_EQ(upright.rgb, expected.rgb);
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
