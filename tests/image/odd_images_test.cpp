// The reference folder's unusual files and Pillow's answer to each.

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/base/file.h"
#include "tests/image/decode_support.h"
#include "tests/support/npz.h"
#include "tests/support/support.h"

namespace graft::test {

namespace {

std::vector<std::uint8_t> resized(const Image& image, Resize filter) {
  std::vector<std::uint8_t> target(std::size_t{150} * 150 * 3);
  resize_image(image, filter, {150, 150}, target);
  return target;
}

nlohmann::json answers_of(const std::filesystem::path& folder) {
  return nlohmann::json::parse(std::ifstream(folder / "expected.json"));
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// A word that the reason of each broken file has to have.
const std::map<std::string, std::string> reasons = {
    {"bad_bomb_30000x30000.png", "30000 x 30000"},
    {"bad_crc.png", "checksum"},
    {"bad_empty.jpg", "empty"},
    {"bad_html.png", "html"},
    {"bad_text.jpg", "text"},
    {"bad_truncated.jpg", "truncated"},
    {"bad_truncated.png", "truncated"},
};
const std::map<std::string, std::string> reasons_of_unread = {
    {"other_formats/ext_avif_named.jpg", "avifdec"},
    {"other_formats/ext_j2k_named.jpg", "opj_decompress"},
    {"other_formats/ext_jxl_named.jpg", "djxl"},
    {"other_formats/j_lossless_sof3_8bit.jpg", "lossless JPEG"},
    {"other_formats/t_float32_01.tif", "floating-point"},
    {"other_formats/t_gray12.tif", "12-bit samples; save it with 8 bits"},
    {"other_formats/t_int16.tif", "signed"},
    {"other_formats/t_lab.tif", "Lab colours"},
    {"other_formats/t_uint32.tif", "32-bit samples; save it with 8 bits"},
};
// Those whose defect is in the pixels alone.
const std::vector<std::string> pass_inspection = {"bad_crc.png", "bad_truncated.jpg"};

}  // namespace

TEST(OddImages, ReadableOnesArePixelForPixelPillows) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  int compared = 0;
  for (const auto& [folder, options] : {std::pair{"odd_images", DecodeOptions{false, Gray16::clip}},
                                        {"field_faults", DecodeOptions{true, Gray16::clip}}}) {
    const auto expected = answers_of(reference / "reference" / folder);
    const auto arrays = read_npz(reference / "reference" / folder / "expected.npz");
    for (const auto& [name, answer] : expected.items()) {
      // orientation_test.cpp has those that are turned.
      if (!answer.at("ok") || reasons_of_unread.contains(name) || name.starts_with("orientation"))
        continue;
      SCOPED_TRACE(name);
      const Bytes file =
          read_file(reference / "reference" / folder / name, maximum_image_file_bytes);
      const Image image = decode_image(file, {false, Gray16::clip});
      EXPECT_EQ(image.width, answer.at("width"));
      EXPECT_EQ(image.height, answer.at("height"));
      EXPECT_TRUE(resized(image, Resize::nearest) == arrays.at(name + "|nearest150").bytes_u8());
      EXPECT_TRUE(resized(image, Resize::bilinear) == arrays.at(name + "|bilinear150").bytes_u8());
      EXPECT_NO_THROW(inspect_image(file));
      EXPECT_EQ(image.warning.empty(), !name.starts_with("other_formats/p_")) << image.warning;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 31 + 13);
}

TEST(OddImages, KindsThatPillowReadsAndGraftDoesNotAreRefusedByName) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  for (const auto& [name, reason] : reasons_of_unread)
    EXPECT_THAT(inspect_error(read_file(reference / "reference" / "field_faults" / name,
                                        maximum_image_file_bytes)),
                ::testing::HasSubstr(reason))
        << name;
}

TEST(OddImages, BrokenOnesAreRefusedWithTheReason) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const std::filesystem::path folder = reference / "reference" / "odd_images";
  const auto expected = answers_of(folder);
  std::size_t refused = 0;
  for (const auto& [name, answer] : expected.items()) {
    if (answer.at("ok") || name == "bad_directory.jpg") continue;
    SCOPED_TRACE(name);
    const std::vector<std::byte> file = read_file(folder / name, maximum_image_file_bytes);
    EXPECT_THAT(lower_case(decode_error(file)), ::testing::HasSubstr(reasons.at(name)));
    const bool passes = std::count(pass_inspection.begin(), pass_inspection.end(), name) != 0;
    EXPECT_EQ(inspect_error(file).empty(), passes) << inspect_error(file);
    ++refused;
  }
  EXPECT_EQ(refused, reasons.size());
}

}  // namespace graft::test
