// Binary PNM: P4 (bits), P5 (gray) and P6 (RGB), with 8 or 16 bits a sample. As in Pillow, samples
// are scaled by round(value / maximum · range), and gray above 8 bits is 16-bit gray.

#include <cmath>
#include <string_view>
#include <vector>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

struct PnmHeader {
  char kind = '6';
  std::uint64_t width = 0;
  std::uint64_t height = 0;
  std::uint64_t maximum = 1;
  std::size_t pixel_offset = 0;

  std::uint64_t channels() const { return kind == '6' ? 3 : 1; }
  std::uint64_t sample_bytes() const { return maximum > 255 ? 2 : 1; }
  std::uint64_t row_bytes() const {
    return kind == '4' ? (width + 7) / 8 : width * channels() * sample_bytes();
  }
  bool gray16() const { return kind == '5' && maximum > 255; }
};

// The numbers of a header, one after the other. Skips white space and comments.
class HeaderReader {
 public:
  HeaderReader(Bytes file, std::size_t at) : file_(file), at_(at) {}

  std::uint64_t number(std::string_view what) {
    skip_space_and_comments();
    std::uint64_t value = 0;
    const std::size_t start = at_;
    while (at_ < file_.size() && is_digit(next()) && at_ - start < 10) {
      value = value * 10 + (next() - '0');
      ++at_;
    }
    if (at_ == start) refuse("the PNM header has no number where its {} should be", what);
    return value;
  }

  // One white-space byte ends the header; the pixels follow.
  std::size_t end() {
    if (at_ >= file_.size() || !is_space(next()))
      refuse("the PNM header does not end with white space");
    return at_ + 1;
  }

 private:
  static bool is_digit(std::uint8_t c) { return c >= '0' && c <= '9'; }
  static bool is_space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  std::uint8_t next() const { return byte_at(file_, at_); }

  void skip_space_and_comments() {
    while (at_ < file_.size() && (is_space(next()) || next() == '#')) {
      if (next() == '#') {
        while (at_ < file_.size() && next() != '\n' && next() != '\r') ++at_;
      } else {
        ++at_;
      }
    }
  }

  Bytes file_;
  std::size_t at_;
};

PnmHeader read_header(Bytes file) {
  PnmHeader header;
  header.kind = static_cast<char>(byte_at(file, 1));
  if (header.kind < '4')
    refuse("ASCII PNM (P1, P2, P3) is not supported; save the image as binary PNM or PNG");
  HeaderReader reader(file, 2);
  header.width = reader.number("width");
  header.height = reader.number("height");
  if (header.kind != '4') header.maximum = reader.number("largest value");
  header.pixel_offset = reader.end();
  if (header.maximum == 0 || header.maximum > 65535)
    refuse("the PNM's largest value is {} and should be 1 to 65535", header.maximum);
  check_dimensions(header.width, header.height);
  check_length(file.size(), header.pixel_offset + header.row_bytes() * header.height, header.width,
               header.height);
  return header;
}

// The 8-bit value of each sample value. Samples above the maximum are as the maximum.
std::vector<std::uint8_t> sample_table(const PnmHeader& header, Gray16 gray16) {
  std::vector<std::uint8_t> table(header.sample_bytes() == 1 ? 256 : 65536);
  const double range = header.gray16() ? 65535.0 : 255.0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const double part = static_cast<double>(i) / static_cast<double>(header.maximum);
    const auto value = static_cast<std::uint32_t>(std::nearbyint(std::min(part * range, range)));
    table[i] = header.gray16() ? gray8_of(value, gray16) : static_cast<std::uint8_t>(value);
  }
  return table;
}

}  // namespace

DecodingCost inspect_pnm(Bytes file) {
  const PnmHeader header = read_header(file);
  return raw_cost(header.width, header.height);
}

Image decode_pnm(Bytes file, const DecodeOptions& options) {
  const PnmHeader header = read_header(file);
  Image image = make_image(header.width, header.height);
  const Bytes pixels = file.subspan(header.pixel_offset);
  std::uint8_t* out = image.rgb.data();
  if (header.kind == '4') {
    for (std::size_t y = 0; y < header.height; ++y) {
      const Bytes row = pixels.subspan(y * header.row_bytes());
      for (std::size_t x = 0; x < header.width; ++x, out += 3) {
        const bool black = (byte_at(row, x / 8) >> (7 - x % 8) & 1) != 0;
        set_gray(out, black ? 0 : 255);
      }
    }
    return image;
  }
  const std::vector<std::uint8_t> table = sample_table(header, options.gray16);
  const std::size_t copies = header.kind == '5' ? 3 : 1;  // gray goes to all three channels
  const bool wide = header.sample_bytes() == 2;
  const std::size_t samples = header.width * header.height * header.channels();
  for (std::size_t i = 0; i < samples; ++i, out += copies) {
    const std::uint32_t sample = wide ? big_endian_16(pixels, 2 * i) : byte_at(pixels, i);
    std::fill_n(out, copies, table[sample]);
  }
  return image;
}

}  // namespace graft::image
