// BMP: uncompressed, 1, 4, 8, 16, 24 and 32 bits, with the BITFIELDS masks of 16 and 32 bits; run-length
// coded, 4 and 8 bits. As in Pillow, 5- and 6-bit channels are value·255/maximum, alpha is dropped, a
// palette index beyond the palette is black, and the padding of the last row may be missing.

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

constexpr std::size_t file_header_bytes = 14;

struct Channel {
  std::uint32_t shift = 0;
  std::uint32_t maximum = 255;
};

struct BmpHeader {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  bool top_down = false;
  std::uint32_t bits = 0;
  bool is_run_length_coded = false;
  std::uint64_t stride = 0;  // bytes of a row, a multiple of 4
  std::uint64_t pixel_offset = 0;
  std::array<Channel, 3> channels;  // red, green, blue, of 16 and 32 bits
  std::uint64_t palette_offset = 0;
  std::uint32_t palette_count = 0;
  std::uint32_t palette_entry_bytes = 4;
};

Channel channel_of(std::uint32_t mask) {
  const auto shift = static_cast<std::uint32_t>(mask == 0 ? 0 : std::countr_zero(mask));
  const std::uint32_t maximum = mask >> shift;
  if (maximum == 0 || maximum > 255 || (maximum & (maximum + 1)) != 0)
    refuse("the BMP has colour masks that are not supported");
  return {shift, maximum};
}

void require_header_bytes(Bytes file, std::size_t bytes) {
  if (file.size() < bytes) refuse("the BMP ends within its header");
}

std::array<Channel, 3> channels_of(Bytes file, std::uint32_t compression, std::uint32_t bits) {
  if (compression == 3) {
    constexpr std::size_t mask_offset = file_header_bytes + 40;
    require_header_bytes(file, mask_offset + 12);
    std::array<std::uint32_t, 3> masks{};
    for (std::size_t i = 0; i < 3; ++i) masks[i] = little_endian_32(file, mask_offset + 4 * i);
    if (masks != std::array<std::uint32_t, 3>{})
      return {channel_of(masks[0]), channel_of(masks[1]), channel_of(masks[2])};
  }
  if (bits == 16) return {Channel{10, 31}, Channel{5, 31}, Channel{0, 31}};
  return {Channel{16, 255}, Channel{8, 255}, Channel{0, 255}};
}

void check_compression(std::uint32_t compression, std::uint32_t bits) {
  if ((compression == 1 && bits == 8) || (compression == 2 && bits == 4)) return;
  if (compression != 0 && (compression != 3 || (bits != 16 && bits != 32)))
    refuse("the BMP's compression {} is not supported", compression);
  constexpr std::array<std::uint32_t, 6> supported = {1, 4, 8, 16, 24, 32};
  if (std::count(supported.begin(), supported.end(), bits) == 0)
    refuse("a BMP of {} bits a pixel is not supported", bits);
}

// Sets where the palette is, and skips it where the header says that the pixels start there: some
// writers forget it.
void find_palette(Bytes file, std::uint32_t colours, BmpHeader& header) {
  header.palette_count = colours == 0 ? 1U << header.bits : std::min(colours, 256U);
  const std::uint64_t bytes = std::uint64_t{header.palette_count} * header.palette_entry_bytes;
  if (header.pixel_offset == header.palette_offset) header.pixel_offset += bytes;
  if (header.palette_offset + bytes > file.size()) refuse("the BMP ends within its palette");
}

BmpHeader read_header(Bytes file) {
  constexpr std::size_t at = file_header_bytes;
  require_header_bytes(file, at + 12);
  const std::uint32_t header_bytes = little_endian_32(file, at);
  const bool core = header_bytes == 12;
  if (!core && (header_bytes < 40 || header_bytes > 124))
    refuse("a BMP with a header of {} bytes is not supported", header_bytes);
  require_header_bytes(file, at + header_bytes);
  BmpHeader header;
  std::uint32_t compression = 0;
  std::uint32_t colours = 0;
  if (core) {
    header.width = little_endian_16(file, at + 4);
    header.height = little_endian_16(file, at + 6);
    header.bits = little_endian_16(file, at + 10);
    header.palette_entry_bytes = 3;
  } else {
    header.width = little_endian_32(file, at + 4);
    header.height = little_endian_32(file, at + 8);
    header.top_down = header.height >= 0xFF000000U;  // negative
    if (header.top_down) header.height = 0U - header.height;
    header.bits = little_endian_16(file, at + 14);
    compression = little_endian_32(file, at + 16);
    colours = little_endian_32(file, at + 32);
  }
  check_dimensions(header.width, header.height);
  check_compression(compression, header.bits);
  if (header.bits >= 16) header.channels = channels_of(file, compression, header.bits);
  header.stride = (std::uint64_t{header.width} * header.bits + 31) / 32 * 4;
  header.pixel_offset = little_endian_32(file, 10);
  header.palette_offset = at + header_bytes;
  if (header.bits <= 8) find_palette(file, colours, header);
  header.is_run_length_coded = compression == 1 || compression == 2;
  const std::uint64_t last_row = (std::uint64_t{header.width} * header.bits + 7) / 8;
  const std::uint64_t rows = header.stride * (header.height - 1) + last_row;
  check_length(file.size(), header.pixel_offset + (header.is_run_length_coded ? 0 : rows),
               header.width, header.height);
  if (header.pixel_offset < header.palette_offset)
    refuse("the BMP's pixels would start within its header");
  return header;
}

Palette read_palette(Bytes file, const BmpHeader& header) {
  Palette palette{};
  for (std::size_t i = 0; i < header.palette_count; ++i) {
    const std::size_t entry = header.palette_offset + i * header.palette_entry_bytes;
    for (std::size_t c = 0; c < 3; ++c) palette[i][c] = byte_at(file, entry + 2 - c);
  }
  return palette;
}

void read_palette_row(Bytes row, const BmpHeader& header, const Palette& palette,
                      std::uint8_t* out) {
  const std::uint32_t mask = (1U << header.bits) - 1;
  for (std::size_t x = 0; x < header.width; ++x, out += 3) {
    const std::size_t bit = x * header.bits;
    const std::uint32_t index = (byte_at(row, bit / 8) >> (8 - header.bits - bit % 8)) & mask;
    std::copy_n(palette[index].data(), 3, out);
  }
}

void read_colour_row(Bytes row, const BmpHeader& header, std::uint8_t* out) {
  const std::size_t pixel_bytes = header.bits / 8;
  for (std::size_t x = 0; x < header.width; ++x) {
    std::uint32_t pixel = 0;
    for (std::size_t i = 0; i < pixel_bytes; ++i)
      pixel |= std::uint32_t{byte_at(row, x * pixel_bytes + i)} << (8 * i);
    for (const Channel& channel : header.channels) {
      *out++ = static_cast<std::uint8_t>((pixel >> channel.shift & channel.maximum) * 255 /
                                         channel.maximum);
    }
  }
}

// The palette indices of run-length coded rows, a byte each. As in Pillow, places that are passed over
// are 0, a run ends with its row, and indices that are given one by one go on in the next row.
std::vector<std::byte> unpack_runs(Bytes file, const BmpHeader& header) {
  const std::size_t width = header.width, count = width * header.height;
  std::size_t at = header.pixel_offset, x = 0;
  std::vector<std::byte> indices;
  indices.reserve(count);
  const auto take = [&](std::size_t bytes) {
    if (file.size() - at < bytes) refuse("the BMP is truncated: it ends within its runs");
    at += bytes;
    return file.subspan(at - bytes, bytes);
  };
  const std::size_t in_byte = 8 / header.bits;
  const auto add = [&](Bytes packed, std::size_t pixels) {  // over and over
    for (std::size_t i = 0; i < pixels; ++i, ++x) {
      const std::byte byte = packed[i / in_byte % packed.size()];
      indices.push_back(in_byte == 1 ? byte : i % 2 == 0 ? byte >> 4 : byte & std::byte{15});
    }
  };
  while (indices.size() < count) {
    const Bytes pair = take(2);
    const std::size_t length = byte_at(pair, 0), code = byte_at(pair, 1);
    if (length > 0) {
      add(pair.subspan(1), std::min(length, width - std::min(x, width)));
    } else if (code == 0) {  // the end of a row
      indices.resize((indices.size() + width - 1) / width * width);
      x = 0;
    } else if (code == 1) {
      refuse("the BMP's runs end after {} of {} pixels", indices.size(), count);
    } else if (code == 2) {  // a step to the right and up
      const Bytes step = take(2);
      const std::size_t to = indices.size() + byte_at(step, 0) + byte_at(step, 1) * width;
      indices.resize(std::min(count, to));
      x = indices.size() % width;
    } else {
      const std::size_t pixels = std::min(code, count - indices.size());
      add(take((pixels + in_byte - 1) / in_byte), pixels);
      at = std::min(at + at % 2, file.size());
    }
  }
  return indices;
}

}  // namespace

DecodingCost inspect_bmp(Bytes file) {
  const BmpHeader header = read_header(file);
  DecodingCost cost = raw_cost(header.width, header.height);
  if (header.is_run_length_coded) cost.bytes += std::uint64_t{header.width} * header.height;
  return cost;
}

Image decode_bmp(Bytes file, const DecodeOptions&) {
  BmpHeader header = read_header(file);
  Image image = make_image(header.width, header.height);
  const Palette palette = read_palette(file, header);
  std::vector<std::byte> indices;
  Bytes rows = file.subspan(header.pixel_offset);
  if (header.is_run_length_coded) {
    rows = indices = unpack_runs(file, header);
    header.bits = 8;
    header.stride = header.width;
  }
  for (std::size_t y = 0; y < header.height; ++y) {
    const std::size_t stored = header.top_down ? y : header.height - 1 - y;
    const Bytes row = rows.subspan(stored * header.stride);
    std::uint8_t* out = &image.rgb[y * header.width * 3];
    if (header.bits <= 8)
      read_palette_row(row, header, palette, out);
    else
      read_colour_row(row, header, out);
  }
  return image;
}

}  // namespace graft::image
