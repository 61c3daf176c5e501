#include "tests/image/decode_support.h"

namespace graft::test {

namespace {

struct BmpOptions {
  std::uint32_t bits = 24;
  bool top_down = false;
  std::uint32_t compression = 0;
  std::vector<std::uint32_t> masks = {};
  Bytes palette = {};
};

// 3 × 2 pixels; `rows` as stored in the file.
Bytes small_bmp(const BmpOptions& options, const std::vector<std::uint8_t>& rows) {
  const std::size_t offset = 54 + 4 * options.masks.size() + options.palette.size();
  Bytes file = bytes_of("BM");
  append_little_endian(file, offset + rows.size(), 4);
  append_little_endian(file, 0, 4);
  append_little_endian(file, offset, 4);
  append_little_endian(file, 40, 4);
  append_little_endian(file, 3, 4);
  append_little_endian(file, options.top_down ? 0U - 2U : 2U, 4);
  append_little_endian(file, 1, 2);
  append_little_endian(file, options.bits, 2);
  append_little_endian(file, options.compression, 4);
  append_little_endian(file, rows.size(), 4);
  append_little_endian(file, 0, 8);
  append_little_endian(file, options.palette.size() / 4, 4);
  append_little_endian(file, 0, 4);
  for (const std::uint32_t mask : options.masks) append_little_endian(file, mask, 4);
  file.insert(file.end(), options.palette.begin(), options.palette.end());
  for (const std::uint8_t value : rows) file.push_back(std::byte{value});
  return file;
}

using Pixels = std::vector<std::uint8_t>;

}  // namespace

TEST(Bmp, TwentyFourBitsAreBlueGreenRedFromTheBottomUp) {
  const Image image = noise_image(7, 5);
  EXPECT_EQ(decode_image(bmp_file(image), {}).rgb, image.rgb);
}

TEST(Bmp, ANegativeHeightIsTopDown) {
  const std::vector<std::uint8_t> rows = {3,  2,  1,  6,  5,  4,  9,  8,  7,  0, 0, 0,
                                          13, 12, 11, 16, 15, 14, 19, 18, 17, 0, 0, 0};
  BmpOptions options;
  options.top_down = true;
  EXPECT_EQ(decode_image(small_bmp(options, rows), {}).rgb,
            (Pixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19}));
}

TEST(Bmp, PaletteOfOneFourAndEightBits) {
  Bytes palette;
  for (const int value : {30, 20, 10, 0, 60, 50, 40, 0}) {
    palette.push_back(static_cast<std::byte>(value));
  }
  const Pixels expected = {10, 20, 30, 40, 50, 60, 10, 20, 30,   // indices 0 1 0
                           40, 50, 60, 40, 50, 60, 10, 20, 30};  // indices 1 1 0
  const auto decode = [&](std::uint32_t bits, const std::vector<std::uint8_t>& rows) {
    return decode_image(small_bmp({bits, false, 0, {}, palette}, rows), {}).rgb;
  };
  EXPECT_EQ(decode(1, {0xC0, 0, 0, 0, 0x40, 0, 0, 0}), expected);
  EXPECT_EQ(decode(4, {0x11, 0x00, 0, 0, 0x01, 0x00, 0, 0}), expected);
  EXPECT_EQ(decode(8, {1, 1, 0, 0, 0, 1, 0, 0}), expected);
  EXPECT_EQ(decode(8, {1, 1, 0, 0, 0, 1, 9, 0})[6], 0);  // beyond the palette: black
}

TEST(Bmp, SixteenBitsAreFiveOfEachOrByMasks) {
  // 0x7C1F: red 31, green 0, blue 31. 0x07E0: green 63 of 63 by the masks 5-6-5.
  const std::vector<std::uint8_t> rows = {0x1F, 0x7C, 0, 0, 0, 0, 0, 0,
                                          0xE0, 0x07, 0, 0, 0, 0, 0, 0};
  const Pixels five = decode_image(small_bmp({16}, rows), {}).rgb;
  EXPECT_EQ(Pixels(five.begin() + 9, five.begin() + 12), (Pixels{255, 0, 255}));
  EXPECT_EQ(Pixels(five.begin(), five.begin() + 3), (Pixels{8, 255, 0}));  // 1·255/31 of red
  const Pixels six =
      decode_image(small_bmp({16, false, 3, {0xF800, 0x07E0, 0x001F}}, rows), {}).rgb;
  EXPECT_EQ(Pixels(six.begin(), six.begin() + 3), (Pixels{0, 255, 0}));
}

TEST(Bmp, ThirtyTwoBitsDropTheFourthByte) {
  std::vector<std::uint8_t> rows;
  for (std::uint8_t i = 0; i < 24; ++i) rows.push_back(i);
  EXPECT_EQ(decode_image(small_bmp({32, true}, rows), {}).rgb,
            (Pixels{2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 18, 17, 16, 22, 21, 20}));
}

TEST(Bmp, WhatIsNotReadIsNamed) {
  const std::vector<std::uint8_t> rows(24);
  EXPECT_THAT(inspect_error(small_bmp({4, false, 1}, rows)), ::testing::HasSubstr("compression 1"));
  EXPECT_THAT(inspect_error(small_bmp({24, false, 4}, rows)),
              ::testing::HasSubstr("compression 4"));
  EXPECT_THAT(inspect_error(small_bmp({7}, rows)), ::testing::HasSubstr("7 bits"));
  EXPECT_THAT(inspect_error(small_bmp({16, false, 3, {5, 7, 9}}, rows)),
              ::testing::HasSubstr("masks"));
}

TEST(Bmp, EveryTruncationIsNoticedByInspectionAlone) {
  const Bytes file = bmp_file(noise_image(7, 5));
  constexpr std::size_t padding = 3;  // of the last row
  for (std::size_t size = 2; size + padding < file.size(); ++size) {
    ASSERT_NE(inspect_error(Bytes(file.begin(), file.begin() + size)), "") << size;
  }
}

TEST(Pnm, BytesArePixels) {
  const Image image = noise_image(7, 5);
  EXPECT_EQ(decode_image(pnm_file('6', 7, 5, 255, image.rgb), {}).rgb, image.rgb);
  EXPECT_EQ(decode_image(pnm_file('5', 2, 1, 255, {7, 200}), {}).rgb,
            (Pixels{7, 7, 7, 200, 200, 200}));
}

TEST(Pnm, ABitOfOneIsBlack) {
  EXPECT_EQ(decode_image(pnm_file('4', 3, 1, 1, {0b10100000}), {}).rgb,
            (Pixels{0, 0, 0, 255, 255, 255, 0, 0, 0}));
}

TEST(Pnm, OtherMaximaAreScaledAndRounded) {
  EXPECT_EQ(decode_image(pnm_file('6', 1, 1, 100, {0, 50, 100}), {}).rgb,
            (Pixels{0, 128, 255}));  // 127.5 goes to the even number
  EXPECT_EQ(decode_image(pnm_file('6', 1, 1, 100, {1, 3, 101}), {}).rgb, (Pixels{3, 8, 255}));
  EXPECT_EQ(decode_image(pnm_file('6', 1, 1, 65535, {0x12, 0x34, 0x80, 0x80, 0xFF, 0xFF}), {}).rgb,
            (Pixels{18, 128, 255}));
}

TEST(Pnm, GrayAboveEightBitsIsSixteenBitGray) {
  const Bytes file = pnm_file('5', 2, 1, 65535, {0x12, 0x34, 0x00, 0x21});
  EXPECT_EQ(decode_image(file, {false, Gray16::high_byte}).rgb, (Pixels{18, 18, 18, 0, 0, 0}));
  EXPECT_EQ(decode_image(file, {false, Gray16::clip}).rgb, (Pixels{255, 255, 255, 33, 33, 33}));
}

TEST(Pnm, WhatIsNotReadIsNamed) {
  EXPECT_THAT(decode_error(bytes_of("P3 1 1 255 1 2 256 ")), ::testing::HasSubstr("256, above"));
  EXPECT_THAT(decode_error(bytes_of("P1 2 1\n12")), ::testing::HasSubstr("0 or 1"));
  EXPECT_THAT(inspect_error(bytes_of("P6 1 1 70000 abc")), ::testing::HasSubstr("70000"));
  EXPECT_THAT(inspect_error(bytes_of("P6 1 1 0 abc")), ::testing::HasSubstr("largest value is 0"));
  EXPECT_THAT(inspect_error(bytes_of("P6 1 x 255 abc")), ::testing::HasSubstr("height"));
  EXPECT_THAT(inspect_error(bytes_of("P6 40000 40000 255 abc")), ::testing::HasSubstr("limit"));
  EXPECT_THAT(inspect_error(bytes_of("P6 99999999999999999999 1 255 abc")),
              ::testing::HasSubstr("limit"));
  EXPECT_THAT(inspect_error(bytes_of("P6 100 100 255 abc")), ::testing::HasSubstr("truncated"));
}

}  // namespace graft::test
