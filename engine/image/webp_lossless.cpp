// The prefix codes of a lossless WebP stream, counted: libwebp takes memory for all of them before it
// reads a pixel, and no header has their number. Only the bits up to the codes are read, no pixel is
// kept. Source: RFC 9649, "WebP Image Format", section 3.

#include <algorithm>
#include <array>
#include <bitset>
#include <numeric>
#include <vector>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

constexpr std::uint32_t literals = 256, length_codes = 24, distance_codes = 40;

// The lowest bit of a byte first.
class BitReader {
 public:
  explicit BitReader(Bytes data) : data_(data) {}

  std::uint32_t read(std::uint32_t count) {
    std::uint32_t value = 0;
    for (std::uint32_t i = 0; i < count; ++i, ++at_) {
      if (at_ / 8 >= data_.size()) refuse("the lossless WebP is truncated");
      value |= (byte_at(data_, at_ / 8) >> at_ % 8 & 1U) << i;
    }
    return value;
  }
  std::size_t position() const { return at_; }

 private:
  Bytes data_;
  std::size_t at_ = 0;
};

// A canonical code by the lengths of its symbols; 0: not used. A code of one symbol takes no bits.
class PrefixCode {
 public:
  explicit PrefixCode(const std::vector<std::uint8_t>& lengths) {
    for (std::uint32_t length = 1; length < counts_.size(); ++length) {
      for (std::uint32_t symbol = 0; symbol < lengths.size(); ++symbol)
        if (lengths[symbol] == length) symbols_.push_back(symbol);
      counts_[length] = static_cast<std::uint32_t>(std::ranges::count(lengths, length));
    }
  }

  std::uint32_t next(BitReader& bits) const {
    if (symbols_.size() == 1) return symbols_[0];
    std::uint32_t code = 0, first = 0, index = 0;  // the first code of this length, and its symbol
    for (const std::uint32_t count : counts_) {
      if (code - first < count) return symbols_[index + code - first];
      index += count;
      first = (first + count) << 1;
      code = code << 1 | bits.read(1);
    }
    refuse("the lossless WebP has an invalid code");
  }

 private:
  std::array<std::uint32_t, 16> counts_{};  // of symbols, by length
  std::vector<std::uint32_t> symbols_;      // by length
};

PrefixCode read_code(BitReader& bits, std::uint32_t symbols) {
  constexpr std::array<std::uint8_t, 19> order = {17, 18, 0, 1,  2,  3,  4,  5,  16, 6,
                                                  7,  8,  9, 10, 11, 12, 13, 14, 15};
  std::vector<std::uint8_t> lengths(std::max(symbols, literals));
  if (bits.read(1) == 1) {  // one or two symbols
    const bool has_two = bits.read(1) == 1;
    lengths[bits.read(bits.read(1) == 1 ? 8 : 1)] = 1;
    if (has_two) lengths[bits.read(8)] = 1;
    lengths.resize(symbols);
    return PrefixCode(lengths);
  }
  std::vector<std::uint8_t> of_lengths(order.size());
  const std::uint32_t given = 4 + bits.read(4);
  for (std::uint32_t i = 0; i < given; ++i)
    of_lengths[order.at(i)] = static_cast<std::uint8_t>(bits.read(3));
  const PrefixCode code(of_lengths);
  std::uint32_t left = bits.read(1) == 1 ? 2 + bits.read(2 + 2 * bits.read(3)) : symbols;
  std::uint8_t previous = 8;
  for (std::uint32_t at = 0; at < symbols && left > 0; --left) {
    const auto symbol = static_cast<std::uint8_t>(code.next(bits));
    const bool is_repeat = symbol >= 16;
    const std::uint32_t count = !is_repeat     ? 1
                                : symbol == 18 ? 11 + bits.read(7)
                                               : 3 + bits.read(symbol - 14U);
    if (!is_repeat && symbol > 0) previous = symbol;
    const std::uint8_t length = !is_repeat ? symbol : symbol == 16 ? previous : std::uint8_t{0};
    for (std::uint32_t i = 0; i < count && at < symbols; ++i) lengths[at++] = length;
  }
  return PrefixCode(lengths);
}

// A length or distance.
std::uint32_t read_value(BitReader& bits, std::uint32_t prefix) {
  if (prefix < 4) return prefix + 1;
  const std::uint32_t extra = prefix / 2 - 1;
  return ((2 + prefix % 2) << extra) + bits.read(extra) + 1;
}

// Passes an image of one group of codes. Receives the red and green of every pixel that is not a copy.
template <typename Visit>
void pass_image(BitReader& bits, std::uint64_t pixels, Visit visit) {
  const std::uint32_t cache = bits.read(1) == 1 ? 1U << bits.read(4) : 0;
  const PrefixCode green = read_code(bits, literals + length_codes + cache);
  const PrefixCode red = read_code(bits, literals), blue = read_code(bits, literals),
                   alpha = read_code(bits, literals), distance = read_code(bits, distance_codes);
  for (std::uint64_t pixel = 0; pixel < pixels; ++pixel) {
    const std::size_t position = bits.position();
    const std::uint32_t symbol = green.next(bits);
    if (symbol < literals) {
      visit(red.next(bits) << 8 | symbol);
      blue.next(bits);
      alpha.next(bits);
    } else if (symbol < literals + length_codes) {
      pixel += read_value(bits, symbol - literals) - 1;
      read_value(bits, distance.next(bits));
    }
    if (bits.position() == position) return;  // all others are the same
  }
}

// `side` in blocks of 2^bits.
constexpr std::uint64_t blocks_of(std::uint64_t side, std::uint32_t bits) {
  return (side + (1U << bits) - 1) >> bits;
}

// Passes the transforms. Returns the width of the image that they leave.
std::uint64_t pass_transforms(BitReader& bits, std::uint64_t width, std::uint64_t height) {
  enum Transform : std::uint32_t { subtract_green = 2, palette = 3 };
  std::bitset<4> seen;
  while (bits.read(1) == 1) {
    const std::uint32_t transform = bits.read(2);
    if (seen[transform]) refuse("the lossless WebP has a transform twice");
    seen.set(transform);
    if (transform == palette) {
      const std::uint32_t colours = bits.read(8) + 1;
      pass_image(bits, colours, [](std::uint32_t) {});
      width = blocks_of(width, colours > 16 ? 0 : colours > 4 ? 1 : colours > 2 ? 2 : 3);
    } else if (transform != subtract_green) {
      const std::uint32_t block = bits.read(3) + 2;
      pass_image(bits, blocks_of(width, block) * blocks_of(height, block), [](std::uint32_t) {});
    }
  }
  return width;
}

}  // namespace

WebpCodes codes_of_lossless_webp(Bytes stream, std::uint64_t width, std::uint64_t height) {
  BitReader bits(stream);
  width = pass_transforms(bits, width, height);
  const std::uint64_t cache = bits.read(1) == 1 ? std::uint64_t{1} << bits.read(4) : 0;
  std::uint64_t groups = 1;
  if (bits.read(1) == 1) {
    const std::uint32_t block = bits.read(3) + 2;
    std::bitset<65536> used;
    std::uint32_t last = 0;
    pass_image(bits, blocks_of(width, block) * blocks_of(height, block), [&](std::uint32_t group) {
      used.set(group);
      last = std::max(last, group);
    });
    // libwebp gives up unused numbers when there are many.
    groups = last < 1000 && last < width * height ? last + 1 : used.count();
  }
  // The tables of all groups, once more where they fill up, and the group itself.
  constexpr std::uint64_t table_entries = 2956, entry_bytes = 4, group_bytes = 600;
  return {groups, groups * (2 * (table_entries + cache) * entry_bytes + group_bytes)};
}

}  // namespace graft::image
