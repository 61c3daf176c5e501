// The reference folder's unusual files and Pillow's answer to each.

#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

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
// Those whose defect is in the pixels alone.
const std::vector<std::string> pass_inspection = {"bad_crc.png", "bad_truncated.jpg"};

}  // namespace

TEST(OddImages, ReadableOnesArePixelForPixelPillows) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const std::filesystem::path folder = reference / "reference" / "odd_images";
  const auto expected = nlohmann::json::parse(std::ifstream(folder / "expected.json"));
  const auto arrays = read_npz(folder / "expected.npz");
  int compared = 0;
  for (const auto& [name, answer] : expected.items()) {
    if (!answer.at("ok")) continue;
    SCOPED_TRACE(name);
    const std::vector<std::byte> file = read_file(folder / name, maximum_image_file_bytes);
    const Image image = decode_image(file, {false, Gray16::clip});
    EXPECT_EQ(image.width, answer.at("width"));
    EXPECT_EQ(image.height, answer.at("height"));
    EXPECT_EQ(std::accumulate(image.rgb.begin(), image.rgb.end(), std::uint64_t{0}),
              answer.at("sum_rgb"));
    EXPECT_TRUE(resized(image, Resize::nearest) == arrays.at(name + "|nearest150").bytes_u8());
    EXPECT_TRUE(resized(image, Resize::bilinear) == arrays.at(name + "|bilinear150").bytes_u8());
    EXPECT_NO_THROW(inspect_image(file));
    ++compared;
  }
  EXPECT_EQ(compared, 31);
}

TEST(OddImages, BrokenOnesAreRefusedWithTheReason) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const std::filesystem::path folder = reference / "reference" / "odd_images";
  const auto expected = nlohmann::json::parse(std::ifstream(folder / "expected.json"));
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
