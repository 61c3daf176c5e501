// The orientation of a photo by its metadata, as Pillow 13's ImageOps.exif_transpose finds it, and the
// eight ways to turn an image.

#include <array>
#include <cstring>
#include <string_view>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

constexpr std::uint32_t orientation_tag = 274;
constexpr std::uint32_t bytes_type = 1, text_type = 2, undefined_type = 7;
// Bytes of one value of each of TIFF's types; 0: no such type.
constexpr std::array<std::uint8_t, 17> value_bytes = {0, 1, 1, 2, 4, 8, 1, 1, 2,
                                                      4, 8, 4, 8, 4, 0, 0, 8};

// The first value of the tag; 0 where it is not an integer, or the block is not a TIFF header. Nothing
// without the tag. The search ends at a value that the block does not hold.
std::optional<std::uint32_t> orientation_in_exif(std::string_view block) {
  for (int prefix = 0; prefix < 2 && block.starts_with(exif_prefix); ++prefix)
    block.remove_prefix(exif_prefix.size());
  const Bytes bytes = std::as_bytes(std::span(block));
  const bool is_big = block.starts_with("MM");
  const auto read_16 = [&](std::size_t at) {
    return is_big ? big_endian_16(bytes, at) : little_endian_16(bytes, at);
  };
  const auto read_32 = [&](std::size_t at) {
    return is_big ? big_endian_32(bytes, at) : little_endian_32(bytes, at);
  };
  if (block.empty()) return {};
  if (bytes.size() < 8 || (!is_big && !block.starts_with("II"))) return 0;
  if (read_16(2) != 42 && read_16(2) != 42 << 8) return 0;  // Pillow accepts both byte orders
  std::size_t entry = read_32(4);
  if (entry + 2 > bytes.size()) return {};
  const std::uint32_t count = read_16(entry);
  entry += 2;
  std::uint64_t outside = 0;  // bytes of values outside the entries
  for (std::uint32_t i = 0; i < count && entry + 12 <= bytes.size(); ++i, entry += 12) {
    const std::uint32_t type = read_16(entry + 2);
    const std::uint32_t one = type < value_bytes.size() ? value_bytes[type] : 0;
    const std::uint64_t all = std::uint64_t{one} * read_32(entry + 4);
    std::size_t value = entry + 8;
    if (all == 0) continue;
    if (all > 4) {
      outside += all;
      if (outside > bytes.size()) continue;
      value = read_32(value);
      if (value + all > bytes.size()) return {};
    }
    if (read_16(entry) != orientation_tag) continue;
    if (type == bytes_type || type == text_type || type == undefined_type || one > 4) return 0;
    return one == 1 ? byte_at(bytes, value) : one == 2 ? read_16(value) : read_32(value);
  }
  return {};
}

// Pillow's search for the pattern tiff:Orientation(="|>)([0-9]).
std::uint32_t orientation_in_xmp(std::string_view xmp) {
  constexpr std::string_view name = "tiff:Orientation";
  for (std::size_t at = xmp.find(name); at != std::string_view::npos; at = xmp.find(name, at)) {
    at += name.size();
    std::string_view value = xmp.substr(at);
    if (value.starts_with("=\""))
      value.remove_prefix(1);
    else if (!value.starts_with('>'))
      continue;
    if (value.size() > 1 && value[1] >= '0' && value[1] <= '9')
      return static_cast<std::uint32_t>(value[1] - '0');
  }
  return 0;
}

}  // namespace

int orientation_of(const Metadata& metadata) {
  const auto by_exif = orientation_in_exif(metadata.exif);
  const std::uint32_t value = by_exif ? *by_exif : orientation_in_xmp(metadata.xmp);
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

Image upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transpose = is_on_its_side(orientation);
  // Which stored axis runs backwards as the upright x (or y) grows.
  const bool flip_columns =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_rows =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;

  Image turned;
  turned.width = transpose ? image.height : image.width;
  turned.height = transpose ? image.width : image.height;
  turned.rgb.resize(image.rgb.size());
  std::uint8_t* out = turned.rgb.data();
  for (std::size_t y = 0; y < turned.height; ++y) {
    for (std::size_t x = 0; x < turned.width; ++x, out += 3) {
      std::size_t row = transpose ? x : y;
      std::size_t column = transpose ? y : x;
      if (flip_rows) row = image.height - 1 - row;
      if (flip_columns) column = image.width - 1 - column;
      std::memcpy(out, &image.rgb[(row * image.width + column) * 3], 3);
    }
  }
  return turned;
}

}  // namespace graft::image
