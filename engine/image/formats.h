#pragma once
// Private to the room: what each format offers to image.cpp, and what the formats share.
// Each inspect_* reads the header and the cheap structure; each decode_* checks the rest. Both
// throw BadImage. A decode_* checks its own header again: it takes no size on trust.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "engine/image/image.h"

namespace graft::image {

using Bytes = std::span<const std::byte>;

ImageInfo inspect_jpeg(Bytes file);
ImageInfo inspect_png(Bytes file);
ImageInfo inspect_bmp(Bytes file);
ImageInfo inspect_pnm(Bytes file);
ImageInfo inspect_tiff(Bytes file);

// shrink_towards: as in DecodeOptions, in the directions of the stored picture.
Image decode_jpeg(Bytes file, const std::optional<ImageSize>& shrink_towards);
Image decode_png(Bytes file, Gray16 gray16);
Image decode_bmp(Bytes file);
Image decode_pnm(Bytes file, Gray16 gray16);
Image decode_tiff(Bytes file, Gray16 gray16);

// The EXIF block (a TIFF header and its directories, without the "Exif\0\0" before them) that the
// file carries, or an empty span. TIFF files are their own EXIF: decode_tiff turns them upright.
Bytes exif_of_jpeg(Bytes file);
Bytes exif_of_png(Bytes file);

// A longer side makes no sense, and float holds every smaller number exactly.
inline constexpr std::uint64_t maximum_side = std::uint64_t{1} << 24;

// Refuses empty images, sides beyond maximum_side and areas beyond maximum_pixels.
void check_dimensions(std::uint64_t width, std::uint64_t height);

// An image of this size, after check_dimensions. The pixels are zero.
Image make_image(std::uint64_t width, std::uint64_t height);

// "the file has 1200 of the 90054 bytes that a 200 x 150 image needs"
[[noreturn]] void throw_truncated(std::uint64_t have, std::uint64_t need, std::uint64_t width,
                                  std::uint64_t height);

inline std::uint8_t byte_at(Bytes file, std::size_t offset) {
  return std::to_integer<std::uint8_t>(file[offset]);
}
inline const std::uint8_t* data_of(Bytes file) {
  return reinterpret_cast<const std::uint8_t*>(file.data());
}
inline std::uint32_t little_endian_16(Bytes file, std::size_t offset) {
  return byte_at(file, offset) | std::uint32_t{byte_at(file, offset + 1)} << 8;
}
inline std::uint32_t little_endian_32(Bytes file, std::size_t offset) {
  return little_endian_16(file, offset) | little_endian_16(file, offset + 2) << 16;
}
inline std::uint32_t big_endian_16(Bytes file, std::size_t offset) {
  return std::uint32_t{byte_at(file, offset)} << 8 | byte_at(file, offset + 1);
}
inline std::uint32_t big_endian_32(Bytes file, std::size_t offset) {
  return big_endian_16(file, offset) << 16 | big_endian_16(file, offset + 2);
}

// 16 bits of gray to 8. Pillow's answer, `clip`, is white for almost every real 16-bit image.
inline std::uint8_t gray8_of(std::uint32_t value, Gray16 gray16) {
  return static_cast<std::uint8_t>(gray16 == Gray16::clip ? std::min(value, 255U) : value >> 8);
}

// Ink (0: none, 255: full) to light, one channel, with Pillow's rounding: 255 - K - C·K'/255.
inline std::uint8_t light_of_ink(std::uint32_t ink, std::uint32_t black) {
  const std::uint32_t paper = 255 - black;
  const std::uint32_t product = ink * paper + 128;
  return static_cast<std::uint8_t>(paper - ((product + (product >> 8)) >> 8));
}

}  // namespace graft::image
