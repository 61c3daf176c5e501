// WebP by libwebp: the first frame on the canvas, as Pillow's convert('RGB') shows it. Alpha is dropped,
// and the canvas around the frame is black. The chunks are read here; libwebp receives those of the frame
// and writes its pixels into the image.

#include <webp/decode.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <string_view>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

constexpr std::size_t riff_header_bytes = 12, chunk_header_bytes = 8, frame_header_bytes = 16;
constexpr std::size_t least_bytes = riff_header_bytes + chunk_header_bytes;
constexpr std::uint8_t animation_flag = 0x02, xmp_flag = 0x04, exif_flag = 0x08;

// ns, or so: see DecodingCost.
constexpr std::uint64_t canvas_pixel_work = 2;
constexpr std::uint64_t lossy_pixel_work = 10, lossy_byte_work = 60;
constexpr std::uint64_t lossless_pixel_work = 15, lossless_byte_work = 10;
constexpr std::uint64_t code_group_work = 10'000;

struct Chunk {
  std::string_view type;
  Bytes data;
};

// Takes the next chunk from the front.
Chunk take_chunk(Bytes& chunks) {
  const std::uint64_t bytes =
      chunk_header_bytes + (chunks.size() < chunk_header_bytes ? 0 : little_endian_32(chunks, 4));
  if (chunks.size() < bytes) refuse("the WebP ends within one of its chunks");
  const Chunk chunk{text_of(chunks.first(4)), chunks.first(bytes).subspan(chunk_header_bytes)};
  chunks = chunks.subspan(std::min<std::size_t>(bytes + bytes % 2, chunks.size()));
  return chunk;
}

// The data of the first chunk of this type; nothing without one.
Bytes find_chunk(Bytes chunks, std::string_view type) {
  while (!chunks.empty()) {
    const Chunk chunk = take_chunk(chunks);
    if (chunk.type == type) return chunk.data;
  }
  return {};
}

// The chunks of a picture: perhaps ALPH, then VP8; or VP8L.
Bytes picture_in(Bytes chunks) {
  Bytes picture;
  while (!chunks.empty()) {
    const Bytes rest = chunks;
    const Chunk chunk = take_chunk(chunks);
    const bool is_last = chunk.type == "VP8 " || chunk.type == "VP8L";
    if (picture.empty() && (is_last || chunk.type == "ALPH")) picture = rest;
    if (is_last)
      return picture.first(picture.size() - rest.size() + chunk_header_bytes + chunk.data.size());
  }
  refuse("the WebP holds no picture");
}

struct WebpLayout {
  Bytes chunks;
  std::uint8_t flags = 0;
  std::uint64_t width = 0, height = 0;  // of the canvas; the rest is of the frame
  std::uint64_t left = 0, top = 0;
  std::uint64_t frame_width = 0, frame_height = 0;
  Bytes picture;
  bool is_lossless = false, has_alpha = false;

  std::uint64_t pixels() const { return frame_width * frame_height; }
};

std::uint64_t little_endian_24(Bytes file, std::size_t offset) {
  return little_endian_16(file, offset) | std::uint64_t{byte_at(file, offset + 2)} << 16;
}

WebpLayout read_layout(Bytes file) {
  const std::uint64_t bytes =
      file.size() < least_bytes ? least_bytes : 8 + std::uint64_t{little_endian_32(file, 4)};
  if (!text_of(file).starts_with("RIFF") || file.size() < bytes || bytes < least_bytes)
    refuse("the WebP is damaged or truncated: it has {} bytes of {}", file.size(), bytes);
  WebpLayout layout;
  layout.chunks = file.first(bytes).subspan(riff_header_bytes);
  const Bytes extended = find_chunk(layout.chunks, "VP8X");
  const bool is_extended = extended.size() >= 10;
  if (is_extended) layout.flags = byte_at(extended, 0);
  const bool is_animated = (layout.flags & animation_flag) != 0;
  const Bytes frame = is_animated ? find_chunk(layout.chunks, "ANMF") : Bytes();
  if (is_animated && frame.size() < frame_header_bytes) refuse("the WebP holds no frame");
  layout.picture = picture_in(is_animated ? frame.subspan(frame_header_bytes) : layout.chunks);
  WebPBitstreamFeatures features{};
  if (WebPGetFeatures(data_of(layout.picture), layout.picture.size(), &features) != VP8_STATUS_OK)
    refuse("the WebP's picture has no valid header");
  layout.frame_width = static_cast<std::uint64_t>(features.width);
  layout.frame_height = static_cast<std::uint64_t>(features.height);
  layout.is_lossless = features.format == 2;
  layout.has_alpha = features.has_alpha != 0;
  layout.width = is_extended ? little_endian_24(extended, 4) + 1 : layout.frame_width;
  layout.height = is_extended ? little_endian_24(extended, 7) + 1 : layout.frame_height;
  check_dimensions(layout.width, layout.height);
  if (is_animated) layout.left = 2 * little_endian_24(frame, 0);
  if (is_animated) layout.top = 2 * little_endian_24(frame, 3);
  const std::uint64_t right = layout.left + layout.frame_width;
  const std::uint64_t bottom = layout.top + layout.frame_height;
  const bool fits = right <= layout.width && bottom <= layout.height;
  if (!fits || (!is_animated && layout.pixels() < layout.width * layout.height))
    refuse("the WebP's picture does not fit its canvas");
  return layout;
}

Metadata metadata_of(const WebpLayout& layout) {
  const auto text = [&](std::uint8_t flag, std::string_view type) {
    const bool counts = (layout.flags & flag) != 0;
    return std::string(text_of(counts ? find_chunk(layout.chunks, type) : Bytes()));
  };
  return {text(exif_flag, "EXIF"), text(xmp_flag, "XMP ")};
}

// The most groups of prefix codes that a lossless stream, of colours or of alpha, can have: one for each
// block of 4 × 4 pixels, and no number unused from 1,000 on. Five codes take 20 bits or more. libwebp
// takes memory for all of them before it reads a pixel, and no header has their number.
std::uint64_t most_groups(const WebpLayout& layout) {
  Bytes stream = layout.picture;
  if (!layout.is_lossless) {
    Bytes alpha;  // the last one counts, and none before VP8L
    for (Bytes rest = layout.picture; !rest.empty();)
      if (const Chunk chunk = take_chunk(rest); chunk.type == "ALPH") alpha = chunk.data;
    if (alpha.empty() || (byte_at(alpha, 0) & 3) != 1) return 0;
    stream = alpha;
  }
  const std::uint64_t blocks = (layout.frame_width + 3) / 4 * ((layout.frame_height + 3) / 4);
  return std::min(
      {std::max<std::uint64_t>(blocks, 1000), 8 * stream.size() / 20 + 1, std::uint64_t{65'536}});
}

// Of libwebp: words of 4 bytes and the blocks of transforms, or alpha; the tables of codes; some rows.
std::uint64_t decoder_bytes(const WebpLayout& layout, std::uint64_t groups) {
  constexpr std::uint64_t table_entries = 5004, entry_bytes = 4, group_bytes = 600;
  std::uint64_t bytes =
      groups * (table_entries * entry_bytes + group_bytes) + 200 * layout.frame_width;
  if (layout.has_alpha) bytes += layout.pixels();
  if (groups > 0) bytes += 5 * layout.pixels();
  return bytes;
}

}  // namespace

DecodingCost inspect_webp(Bytes file) {
  const WebpLayout layout = read_layout(file);
  const std::uint64_t groups = most_groups(layout);
  const std::uint64_t canvas = layout.width * layout.height;
  DecodingCost cost = raw_cost(layout.width, layout.height);
  const bool has_metadata = (layout.flags & (exif_flag | xmp_flag)) != 0;
  cost.bytes = std::max<std::uint64_t>(
                   has_metadata ? file.size() : 0,  // they are copied before the image is made
                   3 * canvas + std::max(3 * canvas, decoder_bytes(layout, groups))) +
               fixed_decoder_bytes;
  cost.work = canvas_pixel_work * canvas + lossy_pixel_work * layout.pixels() +
              (layout.is_lossless ? lossless_byte_work : lossy_byte_work) * layout.picture.size() +
              code_group_work * groups + (groups > 0 ? lossless_pixel_work * layout.pixels() : 0);
  return cost;
}

Image decode_webp(Bytes file, const DecodeOptions& options) {
  const WebpLayout layout = read_layout(file);
  const int orientation = options.exif_orientation ? orientation_of(metadata_of(layout)) : 1;
  Image image = make_image(layout.width, layout.height);
  // libwebp 1.2.4 crashes where it finds no memory for a table of codes.
  void* volatile spare = std::malloc(decoder_bytes(layout, most_groups(layout)));
  if (spare == nullptr) throw std::bad_alloc();
  std::free(spare);
  const std::size_t stride = std::size_t{3} * image.width;
  const std::size_t offset = layout.top * stride + std::size_t{3} * layout.left;
  WebPDecoderConfig config;
  WebPInitDecoderConfig(&config);
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {&image.rgb[offset], static_cast<int>(stride), image.rgb.size() - offset};
  errno = 0;
  const VP8StatusCode status = WebPDecode(data_of(layout.picture), layout.picture.size(), &config);
  if (status != VP8_STATUS_OK && errno == ENOMEM) throw std::bad_alloc();
  if (status != VP8_STATUS_OK) refuse("the WebP's frame is damaged or truncated");
  return upright(std::move(image), orientation);
}

}  // namespace graft::image
