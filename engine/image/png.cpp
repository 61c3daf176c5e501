// PNG: the chunks are walked and checked here; stb_image inflates and unfilters.
// stb_image checks no checksum, and leaves a short palette unset, so it gets a file made of what
// was checked: IHDR, a palette of 256 entries, all of the IDAT data as one chunk, IEND.
// Transparency is not among it: alpha is dropped.

#include <zlib.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/image/formats.h"
#include "engine/image/stb_png.h"

namespace graft::image {

namespace {

constexpr std::size_t signature_bytes = 8;
constexpr std::size_t chunk_overhead = 12;  // length, type, checksum
constexpr std::uint64_t largest_deflate_ratio = 1032;

struct Chunk {
  std::string_view type;
  Bytes data;
  Bytes checksummed;  // type and data
  std::uint32_t checksum = 0;

  bool is_critical() const { return (type[0] & 0x20) == 0; }
};

std::string printable(std::string_view type) {
  std::string text(type);
  for (char& c : text) {
    if (c < '!' || c > '~') c = '?';
  }
  return text;
}

class ChunkReader {
 public:
  explicit ChunkReader(Bytes file) : rest_(file.subspan(signature_bytes)) {}

  Chunk next() {
    if (rest_.size() < chunk_overhead) throw_ends("the next chunk");
    const std::uint64_t length = big_endian_32(rest_, 0);
    const std::string_view type{reinterpret_cast<const char*>(rest_.data()) + 4, 4};
    if (rest_.size() - chunk_overhead < length) throw_ends("a chunk " + printable(type));
    Chunk chunk{type, rest_.subspan(8, length), rest_.subspan(4, length + 4),
                big_endian_32(rest_, 8 + length)};
    rest_ = rest_.subspan(chunk_overhead + length);
    return chunk;
  }

 private:
  [[noreturn]] static void throw_ends(const std::string& where) {
    throw BadImage("the PNG is truncated: the file ends within " + where);
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
  switch (colour) {
    case 0:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case 3:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case 2:
    case 4:
    case 6:
      return depth == 8 || depth == 16;
    default:
      return false;
  }
}

PngHeader read_header(const Chunk& chunk) {
  if (chunk.type != "IHDR" || chunk.data.size() != 13) {
    throw BadImage("the PNG does not begin with a header (IHDR)");
  }
  PngHeader header;
  header.width = big_endian_32(chunk.data, 0);
  header.height = big_endian_32(chunk.data, 4);
  header.depth = byte_at(chunk.data, 8);
  header.colour = byte_at(chunk.data, 9);
  header.interlaced = byte_at(chunk.data, 12) != 0;
  check_dimensions(header.width, header.height);
  if (!is_known(header.colour, header.depth) || byte_at(chunk.data, 10) != 0 ||
      byte_at(chunk.data, 11) != 0 || byte_at(chunk.data, 12) > 1) {
    throw BadImage(
        "the PNG's header (IHDR) names a colour type, depth or method that does not exist");
  }
  return header;
}

struct PngLayout {
  PngHeader header;
  Bytes header_data;
  Bytes palette;
  std::vector<Bytes> image_data;
  std::uint64_t image_data_bytes = 0;
};

void check_checksum(const Chunk& chunk) {
  const uLong crc = crc32_z(0, data_of(chunk.checksummed), chunk.checksummed.size());
  if (crc != chunk.checksum) {
    throw BadImage("the PNG is damaged: the checksum of a chunk " + printable(chunk.type) +
                   " is wrong");
  }
}

void add_chunk(PngLayout& layout, const Chunk& chunk) {
  if (chunk.type == "IDAT") {
    layout.image_data.push_back(chunk.data);
    layout.image_data_bytes += chunk.data.size();
  } else if (chunk.type == "PLTE") {
    if (chunk.data.size() % 3 != 0 || chunk.data.size() > 768 || !layout.palette.empty()) {
      throw BadImage("the PNG's palette (PLTE) is malformed");
    }
    layout.palette = chunk.data;
  } else if (chunk.is_critical()) {
    throw BadImage("the PNG has a critical chunk " + printable(chunk.type) + " that is not known");
  }
}

PngLayout read_layout(Bytes file, bool with_checksums) {
  ChunkReader reader(file);
  const Chunk first = reader.next();
  PngLayout layout;
  layout.header = read_header(first);
  layout.header_data = first.data;
  if (with_checksums) check_checksum(first);
  for (Chunk chunk = reader.next(); chunk.type != "IEND"; chunk = reader.next()) {
    if (with_checksums && chunk.is_critical()) check_checksum(chunk);
    add_chunk(layout, chunk);
  }
  if (layout.header.colour == 3 && layout.palette.empty()) {
    throw BadImage("the PNG has no palette (PLTE) and needs one");
  }
  if (layout.image_data_bytes * largest_deflate_ratio < layout.header.data_bytes()) {
    throw BadImage("the PNG's " + std::to_string(layout.image_data_bytes) +
                   " bytes of pixel data (IDAT) cannot hold " +
                   std::to_string(layout.header.width) + " x " +
                   std::to_string(layout.header.height) + " pixels");
  }
  return layout;
}

void append_chunk_head(std::vector<std::byte>& png, std::string_view type, std::size_t length) {
  for (int shift = 24; shift >= 0; shift -= 8)
    png.push_back(static_cast<std::byte>(length >> shift));
  for (const char c : type) png.push_back(static_cast<std::byte>(c));
}

// Nobody looks at these checksums.
void append_checksum(std::vector<std::byte>& png) {
  png.resize(png.size() + 4);
}

std::vector<std::byte> checked_png(Bytes file, const PngLayout& layout) {
  std::vector<std::byte> png;
  png.reserve(layout.image_data_bytes + 1024);
  const auto append = [&](Bytes bytes) { png.insert(png.end(), bytes.begin(), bytes.end()); };

  append(file.first(signature_bytes));
  append_chunk_head(png, "IHDR", layout.header_data.size());
  append(layout.header_data);
  append_checksum(png);
  if (layout.header.colour == 3) {
    append_chunk_head(png, "PLTE", 768);
    append(layout.palette);
    png.resize(png.size() + 768 - layout.palette.size());  // as in Pillow, what it lacks is black
    append_checksum(png);
  }
  append_chunk_head(png, "IDAT", layout.image_data_bytes);
  for (const Bytes& data : layout.image_data) append(data);
  append_checksum(png);
  append_chunk_head(png, "IEND", 0);
  append_checksum(png);
  return png;
}

// What stb_image may take at once: the inflated data, doubled when its guess was short (interlacing
// adds bytes), the pixels with alpha, or the compressed data.
std::size_t largest_allocation_of(const PngLayout& layout) {
  const PngHeader& header = layout.header;
  const std::uint64_t pixels = std::uint64_t{header.width} * header.height;
  const std::uint64_t inflated =
      2 * (header.data_bytes() + 8 * std::uint64_t{header.height} + 4096);
  return std::max({inflated, pixels * (header.depth == 16 ? 8 : 4), 2 * layout.image_data_bytes,
                   std::uint64_t{8192}});
}

}  // namespace

ImageInfo inspect_png(Bytes file) {
  const PngHeader header = read_layout(file, false).header;
  return {ImageFormat::png, header.width, header.height, header.gray16()};
}

Image decode_png(Bytes file, Gray16 gray16) {
  const PngLayout layout = read_layout(file, true);
  const std::vector<std::byte> png = checked_png(file, layout);
  const std::size_t limit = largest_allocation_of(layout);
  if (!layout.header.gray16()) {
    const auto pixels = stb_decode_rgb(png, limit);
    Image image;
    image.width = layout.header.width;
    image.height = layout.header.height;
    image.rgb.assign(pixels.get(), pixels.get() + std::size_t{image.width} * image.height * 3);
    return image;
  }
  const auto pixels = stb_decode_gray16(png, limit);
  Image image = make_image(layout.header.width, layout.header.height);
  for (std::size_t i = 0; i < image.rgb.size() / 3; ++i) {
    std::fill_n(&image.rgb[3 * i], 3, gray8_of(pixels.get()[i], gray16));
  }
  return image;
}

Bytes exif_of_png(Bytes file) {
  ChunkReader reader(file);
  for (Chunk chunk = reader.next(); chunk.type != "IEND"; chunk = reader.next()) {
    if (chunk.type == "eXIf") return chunk.data;
  }
  return {};
}

}  // namespace graft::image
