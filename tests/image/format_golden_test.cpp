// Small files of WebP, GIF, BMP, PNM and PNG, odd ones too, against Pillow's answers (format_golden.h).

#include <fmt/format.h>
#include <zlib.h>

#include "tests/image/decode_support.h"
#include "tests/image/format_golden.h"

namespace graft::test {
namespace {

std::string answer_to(const Bytes& file) {
  try {
    const Image image = decode_image(file, {true, Gray16::clip});
    EXPECT_EQ(inspect_error(file), "");
    return fmt::format("{} {} {:08x}", image.width, image.height,
                       crc32_z(0, image.rgb.data(), image.rgb.size()));
  } catch (const BadImage&) {
    return "refused";
  }
}

TEST(FormatGolden, PixelsArePillows) {
  for (const GoldenFile& golden : golden_files)
    EXPECT_EQ(answer_to(bytes_of_hex(golden.bytes)), golden.answer) << golden.name;
}

// Where a prefix is read, as some GIF and PNG files without their end, it has all the pixels. The last
// number of a text may be shorter.
TEST(FormatGolden, APrefixIsRefusedOrHasAllPixels) {
  std::size_t without_end = 0;
  for (const GoldenFile& golden : golden_files) {
    const Bytes file = bytes_of_hex(golden.bytes);
    for (std::size_t size = 0; size < file.size(); ++size) {
      const std::string answer = answer_to(Bytes(file.begin(), file.begin() + size));
      without_end += answer == golden.answer && answer != "refused" ? 1 : 0;
      const bool is_text = std::string_view(golden.name).starts_with("ascii");
      if (is_text && size + 20 > file.size()) break;
      ASSERT_THAT(answer, ::testing::AnyOf("refused", golden.answer)) << golden.name << ' ' << size;
    }
  }
  EXPECT_GT(without_end, 10U);
}

}  // namespace
}  // namespace graft::test
