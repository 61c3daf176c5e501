#include <array>

#include "tests/image/decode_support.h"

namespace graft::test {

namespace {

// Rows of `row_bytes` random-looking bytes behind filter 0, and the bytes without the filters.
struct Rows {
  Bytes filtered;
  std::vector<std::vector<std::uint8_t>> plain;
};

Rows make_rows(std::size_t row_bytes, std::size_t count) {
  const Image noise =
      noise_image(static_cast<std::uint32_t>(row_bytes), static_cast<std::uint32_t>(count));
  Rows rows;
  for (std::size_t y = 0; y < count; ++y) {
    rows.filtered.push_back(std::byte{0});
    rows.plain.emplace_back();
    for (std::size_t i = 0; i < row_bytes; ++i) {
      const std::uint8_t value = noise.rgb[(y * row_bytes + i) * 3];
      rows.plain.back().push_back(value);
      rows.filtered.push_back(std::byte{value});
    }
  }
  return rows;
}

constexpr std::uint32_t width = 21;
constexpr std::uint32_t height = 9;

std::uint32_t sample_of(const std::vector<std::uint8_t>& row, int depth, std::size_t index) {
  if (depth == 16) return row[2 * index] << 8 | row[2 * index + 1];
  const std::size_t bit = index * depth;
  return (row[bit / 8] >> (8 - depth - bit % 8)) & ((1U << depth) - 1);
}

Bytes palette_of(std::size_t count) {
  Bytes palette;
  for (std::size_t i = 0; i < count; ++i) {
    palette.push_back(static_cast<std::byte>(i * 7));
    palette.push_back(static_cast<std::byte>(255 - i));
    palette.push_back(static_cast<std::byte>(i * i));
  }
  return palette;
}

}  // namespace

TEST(Png, GrayOfEveryDepthIsSpreadTo255) {
  for (const int depth : {1, 2, 4, 8}) {
    const Rows rows = make_rows((width * depth + 7) / 8, height);
    const Image image = decode_image(png_file(width, height, rows.filtered, {0, depth}), {});
    for (std::size_t i = 0; i < width * height; ++i) {
      const std::uint32_t sample = sample_of(rows.plain[i / width], depth, i % width);
      ASSERT_EQ(image.rgb[3 * i], sample * 255 / ((1U << depth) - 1)) << depth;
      ASSERT_EQ(image.rgb[3 * i + 2], image.rgb[3 * i]);
    }
  }
}

TEST(Png, SixteenBitGrayKeepsItsHighByteOrIsClipped) {
  Rows rows = make_rows(width * 2, height);
  rows.plain[0][0] = 0;
  rows.filtered[1] = std::byte{0};  // one value below 256
  const Bytes file = png_file(width, height, rows.filtered, {0, 16});
  const Image high = decode_image(file, {false, Gray16::high_byte});
  const Image clipped = decode_image(file, {false, Gray16::clip});
  for (std::size_t i = 0; i < width * height; ++i) {
    const std::uint32_t sample = sample_of(rows.plain[i / width], 16, i % width);
    ASSERT_EQ(high.rgb[3 * i + 1], sample >> 8);
    ASSERT_EQ(clipped.rgb[3 * i + 1], std::min(sample, 255U));
  }
}

TEST(Png, OtherSixteenBitImagesKeepTheHighByteWhateverGray16Says) {
  const std::array<std::pair<int, std::size_t>, 3> kinds = {{{2, 3}, {4, 2}, {6, 4}}};
  for (const auto& [colour, channels] : kinds) {
    const Rows rows = make_rows(width * channels * 2, height);
    const Bytes file = png_file(width, height, rows.filtered, {colour, 16});
    const Image image = decode_image(file, {false, Gray16::clip});
    for (std::size_t i = 0; i < width * height; ++i) {
      for (std::size_t c = 0; c < 3; ++c) {
        const std::size_t index = (i % width) * channels + (channels > 2 ? c : 0);
        ASSERT_EQ(image.rgb[3 * i + c], sample_of(rows.plain[i / width], 16, index) >> 8);
      }
    }
  }
}

TEST(Png, AlphaIsDroppedNotBlended) {
  const Rows rows = make_rows(width * 4, height);
  const Image image = decode_image(png_file(width, height, rows.filtered, {6, 8}), {});
  const Rows gray_rows = make_rows(width * 2, height);
  const Image gray = decode_image(png_file(width, height, gray_rows.filtered, {4, 8}), {});
  for (std::size_t i = 0; i < width * height; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      ASSERT_EQ(image.rgb[3 * i + c], rows.plain[i / width][(i % width) * 4 + c]);
      ASSERT_EQ(gray.rgb[3 * i + c], gray_rows.plain[i / width][(i % width) * 2]);
    }
  }
}

TEST(Png, PaletteIsExpandedAndItsTransparencyDropped) {
  for (const int depth : {1, 2, 4, 8}) {
    const Rows rows = make_rows((width * depth + 7) / 8, height);
    PngOptions options{3, depth};
    options.palette = palette_of(std::size_t{1} << depth);
    options.transparency = Bytes(std::size_t{1} << depth, std::byte{77});
    const Image image = decode_image(png_file(width, height, rows.filtered, options), {});
    for (std::size_t i = 0; i < image.rgb.size(); ++i) {
      const std::uint32_t index = sample_of(rows.plain[i / 3 / width], depth, i / 3 % width);
      ASSERT_EQ(std::byte{image.rgb[i]}, options.palette[index * 3 + i % 3]) << depth;
    }
  }
}

TEST(Png, AnIndexBeyondThePaletteIsBlack) {
  const Bytes row = {std::byte{0}, std::byte{1}, std::byte{200}};
  PngOptions options{3, 8};
  options.palette = palette_of(2);
  const Image image = decode_image(png_file(2, 1, row, options), {});
  EXPECT_EQ(image.rgb, (std::vector<std::uint8_t>{7, 254, 1, 0, 0, 0}));
}

TEST(Png, InterlacedIsTheSameImage) {
  const Image image = noise_image(19, 13);
  struct Pass {
    std::uint32_t x, y, step_x, step_y;
  };
  constexpr std::array<Pass, 7> passes = {{{0, 0, 8, 8},
                                           {4, 0, 8, 8},
                                           {0, 4, 4, 8},
                                           {2, 0, 4, 4},
                                           {0, 2, 2, 4},
                                           {1, 0, 2, 2},
                                           {0, 1, 1, 2}}};
  Bytes rows;
  for (const Pass& pass : passes) {
    for (std::uint32_t y = pass.y; y < image.height; y += pass.step_y) {
      rows.push_back(std::byte{0});
      for (std::uint32_t x = pass.x; x < image.width; x += pass.step_x) {
        for (std::size_t c = 0; c < 3; ++c) {
          rows.push_back(std::byte{image.rgb[(y * image.width + x) * 3 + c]});
        }
      }
    }
  }
  PngOptions options;
  options.interlaced = true;
  EXPECT_EQ(decode_image(png_file(19, 13, rows, options), {}).rgb, image.rgb);
}

TEST(Png, ExifOrientationTurnsItWhenAskedFor) {
  const Rows rows = make_rows(width * 3, height);
  PngOptions options;
  options.orientation = 6;
  const Bytes file = png_file(width, height, rows.filtered, options);
  const Image expected = turned(decode_image(file, {}), 6);
  const Image upright = decode_image(file, {true, Gray16::high_byte});
  EXPECT_EQ(upright.width, height);
  EXPECT_EQ(upright.rgb, expected.rgb);
}

TEST(Png, EveryWrongByteOfACriticalChunkIsNoticed) {
  const Bytes file = png_file(noise_image(9, 5));
  // From the header's type to the last checksum before IEND.
  for (std::size_t i = 12; i < file.size() - 12; ++i) {
    Bytes damaged = file;
    damaged[i] ^= std::byte{0x10};
    ASSERT_NE(decode_error(damaged), "") << i;
  }
  Bytes damaged = file;
  damaged[file.size() - 30] ^= std::byte{1};
  EXPECT_THAT(decode_error(damaged), ::testing::HasSubstr("checksum of a chunk IDAT"));
}

TEST(Png, EveryTruncationIsNoticedByInspectionAlone) {
  const Bytes file = png_file(noise_image(9, 5));
  const std::size_t end_of_pixels = file.size() - 12;
  for (std::size_t size = 8; size < file.size(); ++size) {
    const Bytes cut(file.begin(), file.begin() + size);
    if (size >= end_of_pixels) {  // then it is read, with a warning
      ASSERT_EQ(decode_image(cut, {}).rgb, noise_image(9, 5).rgb);
      ASSERT_THAT(decode_image(cut, {}).warning, ::testing::HasSubstr("no end (IEND)"));
      continue;
    }
    ASSERT_THAT(inspect_error(cut), ::testing::HasSubstr("truncated")) << size;
    ASSERT_NE(decode_error(cut), "");
  }
}

TEST(Png, MorePixelDataThanTheSizeNeedsTakesNoMemory) {
  // 1 x 1 pixel and 64 MiB of zeros behind it.
  const Bytes file = png_file(1, 1, Bytes(std::size_t{64} << 20));
  EXPECT_THAT(decode_error(file), ::testing::HasSubstr("more pixel data than its size needs"));
  EXPECT_LT(inspect_image(file).bytes, std::uint64_t{1} << 20);
}

TEST(Png, TooLittlePixelDataIsRefused) {
  const Rows rows = make_rows(width * 3, height - 1);
  EXPECT_THAT(decode_error(png_file(width, height, rows.filtered)),
              ::testing::HasSubstr("not enough pixels"));
  EXPECT_THAT(inspect_error(png_file(10000, 10000, rows.filtered)),
              ::testing::HasSubstr("cannot hold 10000 x 10000 pixels"));
}

TEST(Png, AHeaderThatMakesNoSenseIsRefused) {
  const Rows rows = make_rows(width, height);
  EXPECT_THAT(inspect_error(png_file(width, height, rows.filtered, {5, 8})),
              ::testing::HasSubstr("IHDR"));
  EXPECT_THAT(inspect_error(png_file(width, height, rows.filtered, {3, 16})),
              ::testing::HasSubstr("IHDR"));
  EXPECT_THAT(inspect_error(png_file(width, height, rows.filtered, {3, 8})),
              ::testing::HasSubstr("palette"));
  EXPECT_THAT(inspect_error(png_file(0, height, rows.filtered, {0, 8})),
              ::testing::HasSubstr("empty image"));
  Bytes headless = png_signature();
  append_png_chunk(headless, "IEND", {});
  EXPECT_THAT(inspect_error(headless), ::testing::HasSubstr("IHDR"));
}

}  // namespace graft::test
