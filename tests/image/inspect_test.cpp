// What inspect_image refuses without reading pixels.

#include "tests/image/decode_support.h"

namespace graft::test {

TEST(Inspect, AcceptsEachFormat) {
  const Image image = noise_image(21, 13);
  for (const Bytes& file :
       {jpeg_file(image), png_file(image), bmp_file(image), webp_file(image), gif_file(image),
        pnm_file('6', 21, 13, 255, image.rgb), tiff_file(21, 13, image.rgb)}) {
    EXPECT_EQ(inspect_error(file), "");
    const Image decoded = decode_image(file, {});
    EXPECT_EQ(decoded.width, 21U);
    EXPECT_EQ(decoded.height, 13U);
  }
}

TEST(Inspect, SaysWhatAStrangerLooksLike) {
  const std::pair<std::string_view, std::string> files[] = {
      {"", "empty"},
      {"\n <!DOCTYPE html><html>", "HTML"},
      {"<HTML>", "HTML"},
      {"<svg xmlns=", "SVG"},
      {"just words", "text"},
      {"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"},
      {"GIF89a\x01", "GIF is damaged or truncated"},
      {std::string_view("RIFF\x10\0\0\0WEBPVP8 ", 16), "WebP is damaged or truncated"},
      {std::string_view("\0\0\0\x18"
                        "ftypheic",
                        12),
       "heif-convert IN"},
      {std::string_view("\0\0\0\x18"
                        "ftypavif",
                        12),
       "avifdec IN"},
      {std::string_view("\0\0\0\x0CjP  \r\n", 10), "opj_decompress -i IN"},
      {"\xFF\x4F\xFF\x51", "opj_decompress -i IN"},
      {std::string_view("\0\0\0\x0CJXL \r\n", 10), "djxl IN"},
      {"\xFF\x0A\x4F", "djxl IN"},
      {"%PDF-1.4", "PDF"},
      {"PK\x03\x04", "zip"},
      {std::string_view("\0\0\0\0\0\0\0\0\0\0", 10), "zero bytes"},
      {"\x01\x02\xFF\x80", "none of them"},
  };
  for (const auto& [start, word] : files) {
    EXPECT_THAT(inspect_error(bytes_of(start)), ::testing::HasSubstr(word));
    EXPECT_EQ(decode_error(bytes_of(start)), inspect_error(bytes_of(start)));
  }
}

TEST(Inspect, RefusesABombByItsHeaderAlone) {
  EXPECT_THAT(inspect_error(png_file(30000, 30000, Bytes(100))),
              ::testing::HasSubstr("30000 x 30000"));
  EXPECT_THAT(inspect_error(png_file(0x7FFFFFFF, 1, Bytes(100))), ::testing::HasSubstr("limit"));
  EXPECT_THAT(inspect_error(bytes_of("P5 178956971 1 255 ")), ::testing::HasSubstr("limit"));
}

TEST(Inspect, AJpegNeedsAFrameAndAScan) {
  const Bytes file = jpeg_file(noise_image(16, 16));
  const auto find = [&](int marker) {
    for (std::size_t i = 0; i + 1 < file.size(); ++i) {
      if (file[i] == std::byte{0xFF} && file[i + 1] == static_cast<std::byte>(marker)) return i;
    }
    return std::size_t{0};
  };
  const std::size_t frame = find(0xC0);
  const std::size_t scan = find(0xDA);
  ASSERT_GT(scan, frame);
  const Bytes before_scan(file.begin(), file.begin() + scan);
  EXPECT_THAT(inspect_error(before_scan), ::testing::HasSubstr("ends before its picture data"));

  Bytes ended = before_scan;
  ended.insert(ended.end(), {std::byte{0xFF}, std::byte{0xD9}});
  EXPECT_THAT(inspect_error(ended), ::testing::HasSubstr("ends before its picture data"));

  Bytes frameless(file.begin(), file.begin() + frame);
  frameless.insert(frameless.end(), file.begin() + scan, file.end());
  EXPECT_THAT(inspect_error(frameless), ::testing::HasSubstr("no frame header"));

  Bytes deep = file;
  deep[frame + 4] = std::byte{12};
  EXPECT_THAT(inspect_error(deep), ::testing::HasSubstr("12 bits"));
  EXPECT_THAT(inspect_error(bytes_of("\xFF\xD8\xFF")), ::testing::HasSubstr("truncated"));
}

}  // namespace graft::test
