// Small files that claim much: refused by inspection, or bounded in what they take.

#include <zlib.h>
#include <cstring>

#include "engine/base/file.h"
#include "tests/image/decode_support.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

void append_text(Bytes& bytes, std::string_view text) {
  const Bytes more = bytes_of(text);
  bytes.insert(bytes.end(), more.begin(), more.end());
}

// A JPEG of one 4:4:4 frame with `scans` scans of one component each, without tables: `data` bytes
// follow each scan's header.
Bytes jpeg_of(int frame_marker, std::uint32_t side, int scans, std::size_t data) {
  Bytes jpeg = bytes_of("\xFF\xD8\xFF");
  append_little_endian(jpeg, static_cast<std::uint64_t>(frame_marker), 1);
  append_big_endian(jpeg, 17, 2);
  append_big_endian(jpeg, 8, 1);
  append_big_endian(jpeg, side, 2);
  append_big_endian(jpeg, side, 2);
  append_text(jpeg, std::string_view("\3\1\x11\0\2\x11\0\3\x11\0", 10));
  for (int scan = 0; scan < scans; ++scan) {
    append_text(jpeg, std::string_view("\xFF\xDA\0\x08\1\1\0\0\x3F\0", 10));
    jpeg.insert(jpeg.end(), data, std::byte{0x55});
  }
  append_text(jpeg, "\xFF\xD9");
  return jpeg;
}

constexpr int huffman = 0xC0, progressive = 0xC2, arithmetic = 0xC9, arithmetic_progressive = 0xCA;

// A little-endian TIFF of one strip. `tags`: number, type, count, value.
Bytes tiff_of(const std::vector<std::array<std::uint32_t, 4>>& tags, std::size_t data) {
  Bytes tiff = bytes_of(std::string_view("II*\0\x08\0\0\0", 8));
  append_little_endian(tiff, tags.size(), 2);
  for (const auto& [tag, type, count, value] : tags) {
    append_little_endian(tiff, tag, 2);
    append_little_endian(tiff, type, 2);
    append_little_endian(tiff, count, 4);
    append_little_endian(tiff, value, 4);
  }
  tiff.resize(tiff.size() + 4 + data);
  return tiff;
}

constexpr std::uint32_t u16 = 3, u32 = 4;

std::vector<std::array<std::uint32_t, 4>> tags_of(std::uint32_t side, std::uint32_t bits,
                                                  std::uint32_t compression,
                                                  std::uint32_t samples) {
  return {{256, u32, 1, side},        {257, u32, 1, side}, {258, u16, 1, bits},
          {259, u16, 1, compression}, {262, u16, 1, 1},    {273, u32, 1, 200},
          {277, u16, 1, samples},     {278, u32, 1, side}, {279, u32, 1, 1000}};
}

TEST(Hostile, AJpegWhoseBytesCannotHoldItsPixelsIsRefusedHoweverItIsCoded) {
  for (const int marker : {huffman, progressive, arithmetic, arithmetic_progressive})
    EXPECT_THAT(inspect_error(jpeg_of(marker, 13'376, 3, 30)), HasSubstr("cannot hold its 13376"));
}

TEST(Hostile, EachScanOfAJpegCountsAsWork) {
  const auto work_of = [](int scans) {
    return inspect_image(jpeg_of(progressive, 2000, scans, 30'000)).work;
  };
  constexpr std::uint64_t blocks = 250 * 250;  // of a component
  EXPECT_GT(work_of(100) - work_of(10), 90 * 50 * blocks);
  EXPECT_THAT(inspect_error(jpeg_of(progressive, 6000, 190, 300'000)), HasSubstr("too long"));
  EXPECT_THAT(inspect_error(jpeg_of(arithmetic_progressive, 6000, 10, 300'000)),
              HasSubstr("too long"));
  EXPECT_THAT(inspect_error(jpeg_of(progressive, 600, 201, 3000)),
              HasSubstr("more than 200 scans"));
  // libjpeg finds this scan behind a marker that has no length within a scan.
  Bytes hidden = jpeg_of(progressive, 2000, 1, 100'000);
  hidden.resize(hidden.size() - 2);
  append_text(hidden, std::string_view("\xFF\x02\x7F\x7F", 4));
  const Bytes scan = jpeg_of(progressive, 2000, 1, 10);
  hidden.insert(hidden.end(), scan.begin() + 21, scan.end());
  const std::uint64_t once = inspect_image(jpeg_of(progressive, 2000, 1, 100'000)).work;
  EXPECT_GT(inspect_image(hidden).work, once + 50 * blocks);
}

TEST(Hostile, APngTakesThreeTimesTheMemoryOfItsSamplesAtMost) {
  PngOptions options{6, 16};
  const std::uint32_t side = 1000;
  const Bytes file = png_file(side, side, Bytes((8 * side + 1) * std::size_t{side}), options);
  EXPECT_LT(file.size(), mib);
  EXPECT_LT(inspect_image(file).bytes, 3 * 8 * std::uint64_t{side} * side + mib);
  EXPECT_EQ(decode_image(file, {}).rgb[0], 0);
  // 1.4 GB of samples.
  EXPECT_THAT(inspect_error(png_file(13'000, 13'000, Bytes(1000), options)),
              HasSubstr("cannot hold"));
}

TEST(Hostile, OtherChunksOfAPngAreNotInflated) {
  uLongf size = compressBound(16 * mib);
  Bytes packed(size);
  const Bytes zeros(16 * mib);
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(zeros.data()), zeros.size());
  packed.resize(size);
  Bytes profile = bytes_of(std::string_view("icc\0\0", 5));
  profile.insert(profile.end(), packed.begin(), packed.end());
  const Image image = noise_image(8, 8);
  const Bytes plain = png_file(image);
  constexpr std::size_t after_header = 33;
  Bytes file(plain.begin(), plain.begin() + after_header);
  for (const char* type : {"iCCP", "zTXt", "iTXt"}) append_png_chunk(file, type, profile);
  file.insert(file.end(), plain.begin() + after_header, plain.end());
  EXPECT_LT(inspect_image(file).bytes, mib);
  EXPECT_EQ(decode_image(file, {}).rgb, image.rgb);
}

TEST(Hostile, ATiffOfACompressionWithoutABoundIsRefused) {
  for (const std::uint32_t compression :
       {6U, 32'766U, 32'809U, 34'676U, 34'887U, 34'925U, 50'000U, 50'001U, 12'345U}) {
    EXPECT_THAT(inspect_error(tiff_of(tags_of(16, 8, compression, 1), 2000)),
                HasSubstr("compression " + std::to_string(compression)));
  }
}

TEST(Hostile, AStripOrTileOfATiffCountsAsMemoryAndWork) {
  // One strip with all samples, which 100 kB of LZW can hold by its ratio.
  auto strip_tags = tags_of(4000, 8, 5, 8);
  strip_tags[4][3] = 2;  // RGB, and five samples more
  const DecodingCost strip = inspect_image(tiff_of(strip_tags, 100'000));
  EXPECT_GT(strip.bytes, std::uint64_t{4000} * 4000 * (8 + 3));
  // Tiles of 4096 x 4096 for columns of one pixel.
  auto tiles = tags_of(1, 8, 5, 1);
  tiles[1][3] = 8'000'000;
  tiles[5] = {322, u32, 1, 65'536};
  tiles[7] = {323, u32, 1, 16};
  tiles[8] = {324, u32, 1, 200};
  tiles.push_back({325, u32, 1, 1000});
  std::swap(tiles[5], tiles[6]);
  EXPECT_NE(inspect_error(tiff_of(tiles, 100'000)), "");
}

TEST(Hostile, TagsOfATiffThatShareTheirDataAreRefused) {
  auto tags = tags_of(16, 8, 1, 1);
  for (std::uint32_t tag = 40'000; tag < 40'100; ++tag) tags.push_back({tag, 1, 90'000, 3000});
  EXPECT_THAT(inspect_error(tiff_of(tags, 100'000)), HasSubstr("more than the file"));
  tags.resize(10);
  EXPECT_EQ(inspect_error(tiff_of(tags, 100'000)), "");
  // Strips of a row, their places and lengths in single bytes.
  constexpr std::uint32_t rows = 1'000'000;
  auto strips = tags_of(1, 8, 1, 1);
  strips[1][3] = rows;
  strips[5] = {273, 1, rows, 200};
  strips[8] = {279, 1, rows, 200};
  EXPECT_THAT(inspect_error(tiff_of(strips, 2 * rows)), HasSubstr("more than the file"));
}

TEST(Hostile, ThinImagesTakeTheWorkOfTheirWeights) {
  const DecodingCost cost =
      with_resizing({1U << 24, 10, 0, 0}, Resize::lanczos, ImageSize{150, 150});
  EXPECT_GT(cost.bytes, 8 * 6 * (std::uint64_t{1} << 24));
  EXPECT_GT(cost.work, std::uint64_t{1'000'000'000});
}

TEST(Hostile, TheLargestImagesOfEachFormatAreNoneOfThem) {
  constexpr std::uint32_t side = 13'377;  // maximum_pixels
  // As large as a photo of this size is.
  EXPECT_EQ(inspect_error(jpeg_of(huffman, side, 3, 20 * mib)), "");
  Bytes png = png_file(side, side, Bytes(1));
  append_png_chunk(png, "IDAT", Bytes(20 * mib));
  std::rotate(png.end() - 20 * mib - 12 - 12, png.end() - 20 * mib - 12, png.end());
  EXPECT_EQ(inspect_error(png), "");
  EXPECT_LT(inspect_image(png).bytes + png.size(), DataConfig().decode_memory_mib * mib);
}

// Of an animation, with a canvas of side × side.
Bytes extended_header(std::uint32_t side) {
  Bytes header = {std::byte{2}, {}, {}, {}};
  append_little_endian(header, side - 1, 3);
  append_little_endian(header, side - 1, 3);
  return header;
}

TEST(Hostile, AWebpIsNoLargerThanTheLimitAndItsCanvas) {
  const Bytes still = webp_file(noise_image(8, 8));
  Bytes frame(16);
  frame.insert(frame.end(), still.begin() + 12, still.end());
  frame[6] = frame[9] = std::byte{7};
  const auto animation = [&](std::uint32_t side, std::size_t frames) {
    std::vector<std::pair<std::string_view, Bytes>> chunks = {{"VP8X", extended_header(side)},
                                                              {"ANIM", Bytes(6)}};
    chunks.resize(frames + 2, {"ANMF", frame});
    return webp_of(chunks);
  };
  EXPECT_THAT(inspect_error(animation(16'383, 1)), HasSubstr("16383 x 16383 pixels, more than"));
  EXPECT_THAT(inspect_error(animation(7, 1)), HasSubstr("does not fit its canvas"));
  EXPECT_EQ(decode_image(animation(8, 20'000), {}).rgb, noise_image(8, 8).rgb);
  // The frames behind the first, 7 MiB, take neither memory nor work.
  EXPECT_LT(inspect_image(animation(8, 20'000)).bytes, 4 * mib);
  EXPECT_LT(inspect_image(animation(8, 20'000)).work, 10'000'000U);
  EXPECT_EQ(inspect_image(animation(1000, 1)).bytes / mib, 5U);  // the canvas, and turned
}

// 65,536 groups of codes in 300 kB, for which libwebp takes more than a gigabyte. Files of fewer blocks or
// bytes cannot have as many.
TEST(Hostile, TheCodesOfALosslessWebpCountAsMemory) {
  Bytes stream = {std::byte{0x2F}};
  std::uint64_t held = 0;
  int bits = 0;
  const auto put = [&](std::uint32_t value, int count) {
    held |= std::uint64_t{value} << bits;
    for (bits += count; bits >= 8; bits -= 8, held >>= 8) append_little_endian(stream, held, 1);
  };
  const auto put_eight_bit_code = [&] {  // of all 256 symbols: their length is 8
    put(0, 1);
    put(12 - 4, 4);
    for (int i = 0; i < 12; ++i) put(i == 11 ? 1 : 0, 3);  // only the length 8 is used
    put(0, 1);
  };
  put(1023, 14);
  put(1023, 14);
  put(0, 4);  // no alpha, version 0
  put(0, 1);  // no transform
  put(0, 1);  // no cache
  put(1, 1);  // groups of codes, in blocks of 4 x 4
  put(0, 3);
  put(0, 1);  // no cache
  put(0, 1);  // green: lengths of 8 for 256 symbols, then none
  put(12 - 4, 4);
  for (int i = 0; i < 12; ++i) put(i == 11 ? 1 : 0, 3);
  put(1, 1);
  put(3, 3);
  put(256 - 2, 8);
  put_eight_bit_code();                   // red
  for (int i = 0; i < 3; ++i) put(1, 4);  // blue, alpha and distance: one symbol, 0
  for (std::uint32_t group = 0; group <= 65'536; ++group) put(group & 0xFFFF, 16);
  const Bytes file = webp_of({{"VP8L", stream}});
  EXPECT_LT(file.size(), 300'000U);
  EXPECT_GT(inspect_image(file).bytes, 750 * mib);
  EXPECT_NE(decode_error(file), "");
  // libwebp skips alpha before VP8L, and decodes the last alpha before VP8.
  const auto behind_alpha = [](std::uint32_t side, std::string_view type, const Bytes& data) {
    Bytes header = extended_header(side);
    header[0] = {};  // no animation
    return webp_of({{"VP8X", header}, {"ALPH", Bytes(2)}, {type, data}});
  };
  const auto data_of = [](const Bytes& webp) { return Bytes(webp.begin() + 20, webp.end()); };
  EXPECT_EQ(decode_image(behind_alpha(8, "VP8L", data_of(webp_file(noise_image(8, 8)))), {}).rgb,
            noise_image(8, 8).rgb);
  EXPECT_GT(inspect_image(behind_alpha(1024, "VP8L", stream)).bytes, 750 * mib);
  Bytes alpha = behind_alpha(1024, "ALPH", Bytes(300'000, std::byte{1}));
  const Bytes lossy = webp_file(smooth_image(1024, 1024), 80);
  alpha.insert(alpha.end(), lossy.begin() + 12, lossy.end());
  Bytes size;
  append_little_endian(size, alpha.size() - 8, 4);
  std::ranges::copy(size, alpha.begin() + 4);
  EXPECT_GT(inspect_image(alpha).bytes, 750 * mib);
}

TEST(Hostile, AGifIsAsLargeAsItsScreenAndItsFirstFrame) {
  const Image image = noise_image(9, 7);
  Bytes file = gif_file(image);
  const auto put_size = [&](std::size_t at, int width, int height) {
    for (const auto& [place, value] : {std::pair{at, width}, {at + 2, height}}) {
      file[place] = static_cast<std::byte>(value & 255);
      file[place + 1] = static_cast<std::byte>(value >> 8);
    }
  };
  put_size(6, 65'535, 65'535);
  EXPECT_THAT(inspect_error(file), HasSubstr("65535 x 65535 pixels, more than the limit"));
  put_size(6, 2000, 2000);
  EXPECT_GT(inspect_image(file).bytes, 3ULL * 2000 * 2000);
  EXPECT_EQ(decode_image(file, {}).width, 2000U);
  constexpr std::size_t frame_size = 13 + 768 + 5;
  put_size(frame_size, 13'000, 13'000);
  EXPECT_THAT(inspect_error(file), HasSubstr("cannot hold the 13000 x 13000 pixels"));
  // Only the first of many frames is decoded, whatever follows.
  Bytes many = gif_file(image);
  many.back() = std::byte{','};
  many.resize(mib, std::byte{','});
  EXPECT_EQ(decode_image(many, {}).width, 9U);
}

TEST(Hostile, TheReferenceFilesAreRefused) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  for (const auto& [name, reason] : {std::pair{"lzma_16x8.tif", "compression 34925"},
                                     {"arith_prog_1scan_4.jpg", "cannot hold its 13376 x 13376"}}) {
    const Bytes file =
        read_file(reference / "reference" / "hostile" / name, maximum_image_file_bytes);
    EXPECT_THAT(inspect_error(file), HasSubstr(reason));
    EXPECT_THAT(decode_error(file), HasSubstr(reason));
  }
}

}  // namespace
}  // namespace graft::test
