// PNG by libpng, row by row. Chunks are checked here, and libpng receives those that the pixels need
// alone: IHDR, PLTE of a palette image, all IDAT, IEND. So no other chunk is ever inflated, and
// transparency is not applied: alpha is dropped.

#include <png.h>
#include <zlib.h>

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

constexpr std::size_t signature_bytes = 8;
constexpr std::size_t chunk_overhead = 12;  // length, type, checksum
constexpr std::uint64_t largest_deflate_ratio = 1032;

// ns, or so: see DecodingCost.
constexpr std::uint64_t file_byte_work = 3, sample_byte_work = 5;
constexpr std::uint64_t pixel_work = 2;
constexpr std::uint64_t interlaced_pixel_work = 25;

struct Chunk {
  std::string_view type;
  Bytes all;
  Bytes data;
  std::uint32_t checksum = 0;

  bool is_critical() const { return (type[0] & 0x20) == 0; }
};

// For a message: any byte may come.
std::string name_of(std::string_view type) {
  std::string text(type);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < '!' || c > '~'; }, '?');
  return text;
}

class ChunkReader {
 public:
  explicit ChunkReader(Bytes file) : rest_(file.subspan(signature_bytes)) {}

  Chunk next() {
    if (rest_.size() < chunk_overhead) throw_ends("the next chunk");
    const std::uint64_t length = big_endian_32(rest_, 0);
    const std::string_view type{reinterpret_cast<const char*>(rest_.data()) + 4, 4};
    if (rest_.size() - chunk_overhead < length) throw_ends("a chunk " + name_of(type));
    Chunk chunk{type, rest_.first(chunk_overhead + length), rest_.subspan(8, length),
                big_endian_32(rest_, 8 + length)};
    rest_ = rest_.subspan(chunk_overhead + length);
    return chunk;
  }

 private:
  [[noreturn]] static void throw_ends(const std::string& where) {
    refuse("the PNG is truncated: the file ends within {}", where);
  }

  Bytes rest_;
};

struct PngHeader {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t depth = 0;
  std::uint32_t colour = 0;  // 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha
  bool interlaced = false;

  bool gray16() const { return colour == 0 && depth == 16; }
  std::uint64_t row_bytes() const {  // with its filter byte
    constexpr std::array<std::uint64_t, 7> channels = {1, 0, 3, 1, 2, 0, 4};
    return (channels[colour] * width * depth + 7) / 8 + 1;
  }
  std::uint64_t data_bytes() const { return row_bytes() * height; }
};

bool is_known(std::uint32_t colour, std::uint32_t depth) {
  if (depth == 8) return colour <= 6 && colour != 1 && colour != 5;
  if (depth == 16) return colour <= 6 && colour % 2 == 0;
  return (depth == 1 || depth == 2 || depth == 4) && (colour == 0 || colour == 3);
}

PngHeader read_header(const Chunk& chunk) {
  if (chunk.type != "IHDR" || chunk.data.size() != 13)
    refuse("the PNG does not begin with a header (IHDR)");
  PngHeader header;
  header.width = big_endian_32(chunk.data, 0);
  header.height = big_endian_32(chunk.data, 4);
  header.depth = byte_at(chunk.data, 8);
  header.colour = byte_at(chunk.data, 9);
  header.interlaced = byte_at(chunk.data, 12) != 0;
  check_dimensions(header.width, header.height);
  if (!is_known(header.colour, header.depth) || byte_at(chunk.data, 10) != 0 ||
      byte_at(chunk.data, 11) != 0 || byte_at(chunk.data, 12) > 1) {
    refuse("the PNG's header (IHDR) has an unknown colour type, depth or method");
  }
  return header;
}

struct PngLayout {
  PngHeader header;
  std::uint64_t palette_bytes = 0;
  std::uint64_t image_data_bytes = 0;
  Bytes exif;
};

void check_checksum(const Chunk& chunk) {
  const Bytes checked = chunk.all.subspan(4, chunk.data.size() + 4);  // type and data
  const uLong crc = crc32_z(0, data_of(checked), checked.size());
  if (crc != chunk.checksum)
    refuse("the PNG is damaged: the checksum of a chunk {} is wrong", name_of(chunk.type));
}

void add_chunk(PngLayout& layout, const Chunk& chunk) {
  if (chunk.type == "IDAT") {
    layout.image_data_bytes += chunk.data.size();
  } else if (chunk.type == "PLTE") {
    if (chunk.data.size() % 3 != 0 || chunk.data.size() > 768 || layout.palette_bytes > 0)
      refuse("the PNG's palette (PLTE) is malformed");
    layout.palette_bytes = chunk.data.size();
  } else if (chunk.type == "eXIf" && layout.exif.empty()) {
    layout.exif = chunk.data;
  } else if (chunk.is_critical()) {
    refuse("the PNG has an unknown critical chunk {}", name_of(chunk.type));
  }
}

PngLayout read_layout(Bytes file, bool with_checksums) {
  ChunkReader reader(file);
  const Chunk first = reader.next();
  PngLayout layout;
  layout.header = read_header(first);
  if (with_checksums) check_checksum(first);
  for (Chunk chunk = reader.next(); chunk.type != "IEND"; chunk = reader.next()) {
    if (with_checksums && chunk.is_critical()) check_checksum(chunk);
    add_chunk(layout, chunk);
  }
  if (layout.header.colour == 3 && layout.palette_bytes == 0)
    refuse("the PNG has no palette (PLTE) and needs one");
  if (layout.image_data_bytes * largest_deflate_ratio < layout.header.data_bytes()) {
    refuse("the PNG's {} bytes of pixel data (IDAT) cannot hold {} x {} pixels",
           layout.image_data_bytes, layout.header.width, layout.header.height);
  }
  return layout;
}

// libpng's reader of one file. On an error libpng calls longjmp, over frames of C and of `call` only,
// whose locals have no destructors. call_library turns that into an exception.
class PngReader {
 public:
  PngReader(Bytes file, const PngHeader& header)
      : header_(header), chunks_(file), rest_(file.first(signature_bytes)) {
    png_ =
        png_create_read_struct_2(PNG_LIBPNG_VER_STRING, this, throw_error, ignore, this, allocate,
                                 [](png_structp, png_voidp block) { std::free(block); });
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ != nullptr) return;
    png_destroy_read_struct(&png_, nullptr, nullptr);
    throw std::bad_alloc();
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // RGB of 8 bits, or big-endian gray of 16. `rows` has the image's height × stride bytes.
  void read(std::uint8_t* rows, std::size_t stride) {
    call_library([&] {
      start();
      const int passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      for (int pass = 0; pass < passes; ++pass) {
        for (std::size_t y = 0; y < header_.height; ++y)
          png_read_row(png_, rows + y * stride, nullptr);
      }
    });
  }

 private:
  static PngReader& of(void* reader) { return *static_cast<PngReader*>(reader); }

  static void* allocate(png_structp png, png_alloc_size_t size) {
    void* block = std::malloc(size);
    if (block == nullptr) of(png_get_mem_ptr(png)).is_out_of_memory_ = true;
    return block;
  }

  [[noreturn]] static void throw_error(png_structp png, const char* message) {
    PngReader& reader = of(png_get_error_ptr(png));
    std::snprintf(reader.message_.data(), reader.message_.size(), "%s", message);
    std::longjmp(reader.target_, 1);
  }

  static void ignore(png_structp, const char*) {}

  template <typename Call>
  void call_library(Call call) {
    if (setjmp(target_) != 0) {
      if (is_out_of_memory_) throw std::bad_alloc();
      refuse("the PNG cannot be decoded: {}", message_.data());
    }
    call();
  }

  void start() {
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_dimensions has the limits
    png_set_option(png_, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON);  // as Pillow
    png_set_crc_action(png_, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);   // already checked
    png_set_read_fn(png_, this, [](png_structp png, png_bytep target, std::size_t size) {
      if (!of(png_get_io_ptr(png)).copy(target, size)) png_error(png, "the pixel data ends early");
    });
    png_read_info(png_, info_);
    if (header_.gray16()) return;
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    png_set_expand(png_);  // also a palette, whose missing entries are black, as in Pillow
    png_set_gray_to_rgb(png_);
  }

  // The next bytes of the signature and the chunks that libpng receives.
  bool copy(std::uint8_t* target, std::size_t size) {
    while (size > 0) {
      if (rest_.empty() && !next_chunk()) return false;
      const std::size_t step = std::min(size, rest_.size());
      std::memcpy(target, rest_.data(), step);
      rest_ = rest_.subspan(step);
      target += step;
      size -= step;
    }
    return true;
  }

  bool next_chunk() {
    while (!is_at_end_) {
      const Chunk chunk = chunks_.next();
      is_at_end_ = chunk.type == "IEND";
      if (!chunk.is_critical() || (chunk.type == "PLTE" && header_.colour != 3)) continue;
      rest_ = chunk.all;
      return true;
    }
    return false;
  }

  const PngHeader& header_;
  ChunkReader chunks_;
  Bytes rest_;
  bool is_at_end_ = false;
  bool is_out_of_memory_ = false;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf target_;
  std::array<char, 256> message_{};
};

}  // namespace

DecodingCost inspect_png(Bytes file) {
  const PngLayout layout = read_layout(file, false);
  const PngHeader& header = layout.header;
  const std::uint64_t pixels = std::uint64_t{header.width} * header.height;
  DecodingCost cost{header.width, header.height};
  // libpng has the row, the one before and, interlaced, one of its own, with up to 8 bytes a pixel.
  // Other chunks are counted for copies of the metadata.
  cost.bytes = 2 * 3 * pixels + 4 * 8 * std::uint64_t{header.width} +
               2 * (file.size() - layout.image_data_bytes) + fixed_decoder_bytes;
  cost.work = sample_byte_work * header.data_bytes() + file_byte_work * file.size() +
              (header.interlaced ? interlaced_pixel_work : pixel_work) * pixels;
  return cost;
}

Image decode_png(Bytes file, const DecodeOptions& options) {
  const PngLayout layout = read_layout(file, true);
  Image image = make_image(layout.header.width, layout.header.height);
  PngReader reader(file, layout.header);
  if (layout.header.gray16()) {
    std::vector<std::uint8_t> gray(std::size_t{2} * image.width * image.height);
    reader.read(gray.data(), std::size_t{2} * image.width);
    for (std::size_t i = 0; i < gray.size() / 2; ++i)
      set_gray(&image.rgb[3 * i],
               gray8_of(std::uint32_t{gray[2 * i]} << 8 | gray[2 * i + 1], options.gray16));
  } else {
    reader.read(image.rgb.data(), std::size_t{3} * image.width);
  }
  return upright(std::move(image), options.exif_orientation ? orientation_of(layout.exif) : 1);
}

}  // namespace graft::image
