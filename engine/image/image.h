#pragma once
// Image files to RGB pixels, equal to those of Pillow's convert('RGB'), and Pillow's resize.
// JPEG by libjpeg-turbo (islow DCT, fancy upsampling), WebP by libwebp, GIF by libgif, TIFF by libtiff,
// PNG by stb_image after checks of structure, dimensions and checksums, BMP and PNM by own code. An
// animation is its first frame. Alpha is dropped, palettes are expanded, CMYK is converted as in Pillow.
// A TIFF is always turned upright by its orientation tag, as Pillow 13 does on load. An incomplete or
// invalid file throws BadImage with the reason, without the path. When memory runs out, in a library
// too, std::bad_alloc is thrown: it says nothing about the file.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/config/config.h"

namespace graft {

class BadImage : public Error {
 public:
  explicit BadImage(const std::string& reason) : Error(ErrorKind::data, reason) {}
};

// As Pillow: a file that claims more pixels is refused before memory is taken.
inline constexpr std::uint64_t maximum_pixels = 178'956'970;
// A larger file is refused before it is read.
inline constexpr std::uint64_t maximum_image_file_bytes = std::uint64_t{1} << 30;

struct Image {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::uint8_t> rgb;  // height × width × 3
  std::string warning = {};       // what is wrong with the file although its pixels are complete
};

struct DecodeOptions {
  bool exif_orientation = false;
  Gray16 gray16 = Gray16::high_byte;
  // Set: a JPEG is decoded at the smallest of the scales 1/8, 1/4, 1/2 and 1 at which it is still
  // at least this size in both directions, by an inverse DCT of fewer points. Other formats ignore
  // it. Faster, but the pixels are no longer Pillow's (jpeg.cpp explains why): photos of about
  // 400×360 resized to 150×150 differ by 5 levels of 255 on average with "nearest", by 2 with the
  // other filters, and single pixels by more than 100.
  std::optional<ImageSize> shrink_towards = std::nullopt;
};

// What decoding a file takes at most, as its header and structure tell.
struct DecodingCost {
  std::uint32_t width = 0;  // as stored
  std::uint32_t height = 0;
  std::uint64_t bytes = 0;  // of memory at one time: the Image and what the decoder needs beside it
  std::uint64_t work = 0;   // about the nanoseconds that one core takes
};

// Files that would take more work are bad images. The largest photos take less.
inline constexpr std::uint64_t maximum_work = 5'000'000'000;

// Raised whenever a file that was a bad image may be a good one for the decoders: bad images that
// an earlier version recorded are then decoded again.
inline constexpr std::uint64_t decoder_version = 3;

// "convert it: COMMAND" for the extension, in lower case with its dot, of a format that people have and
// that is not read; empty for others.
std::string conversion_advice(std::string_view extension);

// Refuses what is no image by its first bytes (512, or all of a smaller file), before more is read.
void check_first_bytes(std::span<const std::byte> start, std::uint64_t file_bytes);

// Checks the header and the structure, not the pixels: cheap enough for every file of a data set
// before the work starts. Takes no more memory than the file.
DecodingCost inspect_image(std::span<const std::byte> file);

// The pixels of a file that inspect_image accepted.
Image decode_inspected_image(std::span<const std::byte> file, const DecodeOptions& options);

// Both.
Image decode_image(std::span<const std::byte> file, const DecodeOptions& options);

// Adds what resize_image takes, also where the image is turned before.
DecodingCost with_resizing(DecodingCost cost, Resize filter, ImageSize size);

// Pixel-identical to the Image.resize of Pillow 13. `target` has size.height × size.width × 3
// bytes. Throws Error(usage) where the sizes do not fit together.
void resize_image(const Image& image, Resize filter, ImageSize size,
                  std::span<std::uint8_t> target);

// Turns pixels, height × width × 3 bytes, into a view of themselves, in place.
void turn_to_view(std::span<std::uint8_t> pixels, ImageSize size, View view);

// A baseline JPEG with chroma subsampled 2 × 2, without any metadata. quality: 1 to 100.
std::string encode_jpeg(const Image& image, int quality);

}  // namespace graft
