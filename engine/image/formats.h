#pragma once
// The readers of the image formats, private to the library, and what they share. inspect_* checks
// the header and the cheap structure and says what decoding takes; decode_* is called after it, and
// checks the rest. Both throw BadImage for what the file shows, and std::bad_alloc.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "engine/image/image.h"

namespace graft::image {

using Bytes = std::span<const std::byte>;

DecodingCost inspect_jpeg(Bytes file);
DecodingCost inspect_png(Bytes file);
DecodingCost inspect_bmp(Bytes file);
DecodingCost inspect_pnm(Bytes file);
DecodingCost inspect_tiff(Bytes file);
DecodingCost inspect_gif(Bytes file);
DecodingCost inspect_webp(Bytes file);

Image decode_jpeg(Bytes file, const DecodeOptions& options);
Image decode_png(Bytes file, const DecodeOptions& options);
Image decode_bmp(Bytes file, const DecodeOptions& options);
Image decode_pnm(Bytes file, const DecodeOptions& options);
Image decode_tiff(Bytes file, const DecodeOptions& options);
Image decode_gif(Bytes file, const DecodeOptions& options);
Image decode_webp(Bytes file, const DecodeOptions& options);

// Where a file may state its orientation.
struct Metadata {
  std::string exif;  // a TIFF header and its directory, behind no, one or two prefixes
  std::string xmp;   // counts where EXIF has no tag
};
inline constexpr std::string_view exif_prefix{"Exif\0\0", 6};

// 1 to 8; 1 (upright) without a valid value.
int orientation_of(const Metadata& metadata);

// The chunks of a PNG that may state it, the last of each kind. Borrows them.
class PngMetadata {
 public:
  void add(std::string_view type, std::string_view data);
  std::uint64_t bytes() const;  // of memory that read() takes
  Metadata read() const;

 private:
  std::optional<std::string_view> exif_;
  std::pair<std::string_view, std::string_view> profile_, xmp_;  // type and data of a text chunk
};

// Whether the stored rows are the columns of the upright image.
constexpr bool is_on_its_side(int orientation) {
  return orientation >= 5 && orientation <= 8;
}

// The image turned so that its stored first row and column are at the top and the left.
Image upright(Image image, int orientation);

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> reason, Arguments&&... arguments) {
  throw BadImage(fmt::format(reason, std::forward<Arguments>(arguments)...));
}

// Refuses empty images, sides beyond 2^24 and areas beyond maximum_pixels.
void check_dimensions(std::uint64_t width, std::uint64_t height);

// Refuses a file that has fewer bytes than its width × height pixels need.
void check_length(std::uint64_t have, std::uint64_t need, std::uint64_t width,
                  std::uint64_t height);

// An image of this size, after check_dimensions. The pixels are zero.
Image make_image(std::uint64_t width, std::uint64_t height);

// What a decoder takes besides the pixels: its tables and states.
inline constexpr std::uint64_t fixed_decoder_bytes = 256 * 1024;

// Of a format whose pixels are converted straight from the file.
DecodingCost raw_cost(std::uint64_t width, std::uint64_t height);

// The caller has checked that the file is long enough.
inline std::uint8_t byte_at(Bytes file, std::size_t offset) {
  return std::to_integer<std::uint8_t>(file[offset]);
}
inline const std::uint8_t* data_of(Bytes file) {
  return reinterpret_cast<const std::uint8_t*>(file.data());
}
inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
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

constexpr bool is_space(int c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

inline void set_gray(std::uint8_t* rgb, std::uint32_t value) {
  std::fill_n(rgb, 3, static_cast<std::uint8_t>(value));
}

// 16 bits of gray to 8. `clip` is Pillow's way; it makes almost every real 16-bit image white.
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
