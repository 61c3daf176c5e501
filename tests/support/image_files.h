#pragma once
// Image files that the tests make themselves, in memory.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/image/image.h"

namespace graft::test {

using Bytes = std::vector<std::byte>;

// Smooth colours, all different: what JPEG keeps well. And bytes without a pattern, the same as
// noise() of pillow_golden.py.
Image smooth_image(std::uint32_t width, std::uint32_t height);
Image noise_image(std::uint32_t width, std::uint32_t height);

struct JpegOptions {
  int quality = 95;
  int channels =
      3;  // 1 gray (the red bytes), 3 RGB, 4 Adobe CMYK (red, green, blue and black ink 40)
  int horizontal_sampling = 2;
  int vertical_sampling = 2;
  bool progressive = false;
  int restart_interval = 0;  // in blocks
  int orientation = 0;       // of an EXIF block; 0: no block
  bool arithmetic = false;   // instead of Huffman's code
};
Bytes jpeg_file(const Image& image, const JpegOptions& options = {});

struct PngOptions {
  int colour = 2;
  int depth = 8;
  bool interlaced = false;
  Bytes palette = {};
  Bytes transparency = {};
  int orientation = 0;                  // of an eXIf chunk; 0: no chunk
  std::size_t data_chunk_bytes = 1000;  // the size of an IDAT chunk
};
// `rows` are the filtered rows, each behind its filter byte.
Bytes png_file(std::uint32_t width, std::uint32_t height, const Bytes& rows,
               const PngOptions& options = {});
Bytes png_file(const Image& image);
void append_png_chunk(Bytes& png, std::string_view type, const Bytes& data);
Bytes png_signature();

struct TiffOptions {
  int samples = 3;
  int bits = 8;
  int photometric = 2;    // 0 white is 0, 1 black is 0, 2 RGB, 5 CMYK
  int compression = 1;    // 1 none, 5 LZW, 8 deflate
  int orientation = 1;    // 0: no tag
  std::string xmp = {};   // empty: no tag
  int extra_sample = -1;  // 0 unspecified, 1 associated, 2 unassociated alpha
  int extra_samples = 1;  // so many of this kind, if it is not -1
  bool separate_planes = false;
  bool big_endian = false;
  std::uint32_t tile = 0;  // side of a tile; 0: strips of 7 rows
};
// `samples` are interleaved: height × width × options.samples, 16-bit ones as the machine has them.
Bytes tiff_file(std::uint32_t width, std::uint32_t height, const std::vector<std::uint8_t>& samples,
                const TiffOptions& options = {});

// A BMP of 24 bits.
Bytes bmp_file(const Image& image);
// A binary PNM: "P6 width height maximum" and the bytes.
Bytes pnm_file(char kind, std::uint32_t width, std::uint32_t height, int maximum,
               const std::vector<std::uint8_t>& samples);

// A WebP of one picture, whose alpha is its red. quality: 0 to 100, or -1: lossless.
Bytes webp_file(const Image& image, int quality = -1, bool with_alpha = false);
// RIFF and the chunks, each with its type and length.
Bytes webp_of(const std::vector<std::pair<std::string_view, Bytes>>& chunks);
// A GIF of one frame that fills the screen, whose palette is gray; the red bytes are the indices.
Bytes gif_file(const Image& image, bool is_interlaced = false);

// An EXIF block whose only entry is an orientation.
Bytes exif_block(int orientation);

Bytes bytes_of(std::string_view text);
Bytes bytes_of_hex(std::string_view digits);
void append_little_endian(Bytes& bytes, std::uint64_t value, int count);
void append_big_endian(Bytes& bytes, std::uint64_t value, int count);

// A PNG of 40 × 36 pixels without a pattern that follow from `seed`: equal seeds give equal bytes.
Bytes png_bytes(unsigned seed);
// The same with a good header and damaged pixels: it passes a header check and cannot be decoded.
Bytes png_with_damaged_pixels(unsigned seed);
// png_bytes in a file; creates the folders above it too.
void write_png(const std::filesystem::path& path, unsigned seed);
// A PNG of 40 × 40 pixels of noise around one colour, the same for the same seed.
void write_photo(const std::filesystem::path& path, unsigned seed, int red, int green, int blue);

}  // namespace graft::test
