// PNG: chunks are checked here; stb_image inflates and unfilters. stb_image checks no checksum and
// leaves a short palette unset, so it receives a new file of the checked parts: IHDR, a palette of
// 256 entries, all IDAT data as one chunk, IEND. Transparency is not among them: alpha is dropped.

#include <zlib.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "engine/base/file.h"
#include "engine/base/text.h"
#include "engine/image/formats.h"

namespace {

// stb_image's inflate doubles its buffer for as long as there is data, whatever the dimensions say.
// Its allocator takes no context, so the bound of the current call is here.
struct StbMemory {
  std::size_t largest = 0;  // allocation; beyond it the file is at fault
  bool ran_out = false;     // the machine is
};
thread_local StbMemory stb_memory;

void* stb_bounded_realloc(void* block, std::size_t size) {
  if (size > stb_memory.largest) return nullptr;
  void* const larger = std::realloc(block, size);
  stb_memory.ran_out |= larger == nullptr;
  return larger;
}

}  // namespace

#define STBI_MALLOC(size) stb_bounded_realloc(nullptr, size)
#define STBI_REALLOC(block, size) stb_bounded_realloc(block, size)
#define STBI_FREE(block) std::free(block)
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS (1 << 24)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-compare"
#include <stb_image.h>
#pragma GCC diagnostic pop

namespace graft::image {
namespace {

constexpr std::size_t signature_bytes = 8;
constexpr std::size_t chunk_overhead = 12;  // length, type, checksum
constexpr std::size_t header_bytes = 13;
constexpr std::uint64_t largest_deflate_ratio = 1032;

// ns, or so: see DecodingCost.
constexpr std::uint64_t file_byte_work = 3, sample_byte_work = 5;
constexpr std::uint64_t pixel_work = 2, interlaced_pixel_work = 25;

struct Chunk {
  std::string_view type;
  Bytes data;
  Bytes checksummed;  // type and data
  std::uint32_t checksum = 0;

  bool is_critical() const { return (type[0] & 0x20) == 0; }
};

class ChunkReader {
 public:
  explicit ChunkReader(Bytes file) : rest_(file.subspan(signature_bytes)) {}

  // Nothing at the end of the file, and at IEND. Once there were pixel data (IDAT), other chunks may be
  // missing.
  std::optional<Chunk> next() {
    const std::string_view type =
        rest_.size() < 8 ? std::string_view() : text_of(rest_.subspan(4, 4));
    const std::uint64_t length = type.empty() ? 0 : big_endian_32(rest_, 0);
    is_complete_ = rest_.size() >= chunk_overhead + length;
    if (!is_complete_ && (!has_pixels_ || type == "IDAT"))
      refuse("the PNG is truncated: the file ends within {}",
             type.empty() ? "the next chunk" : "a chunk " + printable(type));
    if (!is_complete_ || type == "IEND") return std::nullopt;
    has_pixels_ |= type == "IDAT";
    Chunk chunk{type, rest_.subspan(8, length), rest_.subspan(4, length + 4),
                big_endian_32(rest_, 8 + length)};
    rest_ = rest_.subspan(chunk_overhead + length);
    return chunk;
  }

  bool is_complete() const { return is_complete_; }  // there is an IEND

 private:
  Bytes rest_;
  bool has_pixels_ = false;
  bool is_complete_ = true;
};

struct PngHeader {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t depth = 0;
  std::uint32_t colour = 0;  // 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha
  bool interlaced = false;

  bool gray16() const { return colour == 0 && depth == 16; }
  std::uint64_t channels() const {
    return std::array<std::uint64_t, 7>{1, 0, 3, 1, 2, 0, 4}[colour];
  }
  std::uint64_t data_bytes() const {  // each row with its filter byte
    return ((channels() * width * depth + 7) / 8 + 1) * height;
  }
};

bool is_known(std::uint32_t colour, std::uint32_t depth) {
  if (depth == 8) return colour <= 6 && colour != 1 && colour != 5;
  if (depth == 16) return colour <= 6 && colour % 2 == 0;
  return (depth == 1 || depth == 2 || depth == 4) && (colour == 0 || colour == 3);
}

PngHeader read_header(const Chunk& chunk) {
  if (chunk.type != "IHDR" || chunk.data.size() != header_bytes)
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
  Bytes palette;
  std::uint64_t image_data_bytes = 0;
  bool is_complete = true;  // to its end, IEND
  PngMetadata metadata;
};

void check_checksum(const Chunk& chunk) {
  const uLong crc = crc32_z(0, data_of(chunk.checksummed), chunk.checksummed.size());
  if (crc != chunk.checksum)
    refuse("the PNG is damaged: the checksum of a chunk {} is wrong", printable(chunk.type));
}

void add_chunk(PngLayout& layout, const Chunk& chunk) {
  if (chunk.type == "IDAT") {
    layout.image_data_bytes += chunk.data.size();
  } else if (chunk.type == "PLTE") {
    if (chunk.data.size() % 3 != 0 || chunk.data.size() > 768 || !layout.palette.empty())
      refuse("the PNG's palette (PLTE) is malformed");
    layout.palette = chunk.data;
  } else if (chunk.is_critical()) {
    refuse("the PNG has an unknown critical chunk {}", printable(chunk.type));
  } else {
    layout.metadata.add(chunk.type, text_of(chunk.data));
  }
}

PngLayout read_layout(Bytes file, bool with_checksums) {
  ChunkReader reader(file);
  const Chunk first = reader.next().value_or(Chunk());
  PngLayout layout;
  layout.header = read_header(first);
  if (with_checksums) check_checksum(first);
  while (const std::optional<Chunk> chunk = reader.next()) {
    if (with_checksums && chunk->is_critical()) check_checksum(*chunk);
    add_chunk(layout, *chunk);
  }
  layout.is_complete = reader.is_complete();
  if (layout.header.colour == 3 && layout.palette.empty())
    refuse("the PNG has no palette (PLTE) and needs one");
  if (layout.image_data_bytes * largest_deflate_ratio < layout.header.data_bytes()) {
    refuse("the PNG's {} bytes of pixel data (IDAT) cannot hold {} x {} pixels",
           layout.image_data_bytes, layout.header.width, layout.header.height);
  }
  return layout;
}

// The places of checksums, which stb_image does not check, and the end are zeros.
std::string checked_png(Bytes file, const PngLayout& layout) {
  std::string png(text_of(file.first(signature_bytes + chunk_overhead + header_bytes)));
  png.reserve(layout.image_data_bytes + 1024);
  // Returns where the chunk ends.
  const auto start_chunk = [&](std::string_view type, std::uint64_t length) {
    for (int shift = 24; shift >= 0; shift -= 8) png += static_cast<char>(length >> shift);
    png += type;
    return png.size() + length + 4;
  };
  if (layout.header.colour == 3) {
    const std::size_t end = start_chunk("PLTE", 768);  // as in Pillow, missing entries are black
    png += text_of(layout.palette);
    png.resize(end);
  }
  const std::size_t end = start_chunk("IDAT", layout.image_data_bytes);
  ChunkReader reader(file);
  while (const std::optional<Chunk> chunk = reader.next())
    if (chunk->type == "IDAT") png += text_of(chunk->data);
  png.resize(end);
  png.resize(start_chunk("IEND", 0));
  return png;
}

// The inflated data, doubled when stb_image's guess was short (interlacing adds bytes).
std::uint64_t largest_inflated(const PngHeader& header) {
  return 2 * (header.data_bytes() + 8 * std::uint64_t{header.height} + 4096);
}

// The largest single allocation of stb_image: the inflated data, the pixels with alpha, or the
// compressed data.
std::size_t largest_allocation_of(const PngLayout& layout) {
  const PngHeader& header = layout.header;
  const std::uint64_t pixels = std::uint64_t{header.width} * header.height;
  return std::max({largest_inflated(header), pixels * (header.depth == 16 ? 8 : 4),
                   2 * layout.image_data_bytes, std::uint64_t{8192}});
}

// By one of stb_image's loaders, with no allocation above the layout's largest. The result has the
// image's width × height pixels.
template <typename Sample, typename Load>
std::unique_ptr<Sample, decltype(&std::free)> load(Load load, Bytes file, const PngLayout& layout,
                                                   int channels) {
  const std::string png = checked_png(file, layout);
  stb_memory = {largest_allocation_of(layout), false};
  int width = 0, height = 0, channels_in_file = 0;
  Sample* pixels = load(data_of(as_bytes(png)), static_cast<int>(png.size()), &width, &height,
                        &channels_in_file, channels);
  if (stb_memory.ran_out) throw std::bad_alloc();
  if (pixels == nullptr) {
    const std::string_view reason = stbi_failure_reason();
    refuse("the PNG {}: {}", layout.is_complete ? "cannot be decoded" : "is truncated",
           reason == "outofmem" ? "it has more pixel data than its size needs" : reason);
  }
  return {pixels, &std::free};
}

}  // namespace

DecodingCost inspect_png(Bytes file) {
  const PngLayout layout = read_layout(file, false);
  const PngHeader& header = layout.header;
  const std::uint64_t pixels = std::uint64_t{header.width} * header.height;
  const std::uint64_t sample = header.depth == 16 ? 2 : 1;
  const std::uint64_t stored = pixels * sample * header.channels();
  // One after the other: inflating into a buffer that is doubled, unfiltering, conversion to RGB, the
  // image beside stb_image's. The file's data are there as a copy, and once more for inflating.
  DecodingCost cost{header.width, header.height};
  cost.bytes = 3 * layout.image_data_bytes + layout.metadata.bytes() + fixed_decoder_bytes +
               std::max({largest_inflated(header) * 3 / 2,
                         largest_inflated(header) + stored * (header.interlaced ? 2 : 1),
                         stored + 3 * sample * pixels, 2 * 3 * pixels});
  cost.work = sample_byte_work * header.data_bytes() + file_byte_work * file.size() +
              (header.interlaced ? interlaced_pixel_work : pixel_work) * pixels;
  return cost;
}

Image decode_png(Bytes file, const DecodeOptions& options) {
  const PngLayout layout = read_layout(file, true);
  Image image{layout.header.width, layout.header.height, {}};
  if (!layout.is_complete)
    image.warning = "the PNG has all its pixels but no end (IEND): it may have been cut off";
  const std::size_t pixel_count = std::size_t{image.width} * image.height;
  if (layout.header.gray16()) {
    const auto pixels = load<std::uint16_t>(stbi_load_16_from_memory, file, layout, 1);
    image.rgb.resize(3 * pixel_count);
    for (std::size_t i = 0; i < pixel_count; ++i)
      set_gray(&image.rgb[3 * i], gray8_of(pixels.get()[i], options.gray16));
  } else {
    const auto pixels = load<std::uint8_t>(stbi_load_from_memory, file, layout, 3);
    image.rgb.assign(pixels.get(), pixels.get() + 3 * pixel_count);
  }
  return upright(std::move(image),
                 options.exif_orientation ? orientation_of(layout.metadata.read()) : 1);
}

}  // namespace graft::image
