// PNM: bits (P1, P4), gray (P2, P5) and RGB (P3, P6) with 8 or 16 bits a sample, as text or binary. As in
// Pillow, samples are scaled by round(value / maximum · range), and gray above 8 bits is 16-bit gray.

#include <cmath>
#include <string_view>
#include <vector>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

constexpr std::uint64_t text_byte_work = 10;  // ns, or so: see DecodingCost

struct PnmHeader {
  char kind = '6';
  std::uint64_t width = 0;
  std::uint64_t height = 0;
  std::uint64_t maximum = 1;
  std::size_t pixel_offset = 0;

  bool is_text() const { return kind < '4'; }
  bool is_of_bits() const { return kind == '1' || kind == '4'; }
  std::uint64_t channels() const { return kind == '3' || kind == '6' ? 3 : 1; }
  std::uint64_t sample_bytes() const { return maximum > 255 ? 2 : 1; }
  bool gray16() const { return channels() == 1 && maximum > 255; }
  // As text, a row of bits needs a digit each; other samples need a digit and white space.
  std::uint64_t least_row_bytes() const {
    if (is_text()) return width * channels() * (is_of_bits() ? 1 : 2);
    return is_of_bits() ? (width + 7) / 8 : width * channels() * sample_bytes();
  }
};

// Numbers between white space. As in Pillow, a comment goes up to the end of its line, which it takes
// along: it does not end a number.
class TextReader {
 public:
  TextReader(Bytes file, std::size_t at) : file_(file), at_(at) {}

  std::uint64_t number(std::string_view what) {
    while (is_space(next())) ++at_;
    std::uint64_t value = 0;
    int digits = 0;
    for (; is_digit(next()) && digits < 10; ++at_, ++digits) value = value * 10 + (next() - '0');
    if (digits == 0) refuse("the PNM has no number where its {} should be", what);
    return value;
  }

  // Bits may stand without white space between.
  std::uint64_t bit() {
    while (is_space(next())) ++at_;
    const std::uint8_t digit = next();
    if (digit != '0' && digit != '1') refuse("the PNM's pixels should be 0 or 1, and one is not");
    ++at_;
    return digit - std::uint64_t{'0'};
  }

  // One white-space byte ends a number.
  std::size_t end() {
    if (!is_space(next())) refuse("the PNM has a number that does not end with white space");
    return ++at_;
  }

  std::uint64_t sample(std::uint64_t maximum) {
    const std::uint64_t value = number("next sample");
    if (value > maximum) refuse("the PNM has a sample of {}, above its largest value", value);
    if (next() != 0) end();
    return value;
  }

 private:
  static bool is_digit(std::uint8_t c) { return c >= '0' && c <= '9'; }

  // The next byte outside comments; 0 at the end.
  std::uint8_t next() {
    while (at_ < file_.size() && byte_at(file_, at_) == '#') {
      while (at_ < file_.size() && byte_at(file_, at_) != '\n' && byte_at(file_, at_) != '\r')
        ++at_;
      ++at_;
    }
    return at_ < file_.size() ? byte_at(file_, at_) : std::uint8_t{0};
  }

  Bytes file_;
  std::size_t at_;
};

PnmHeader read_header(Bytes file) {
  PnmHeader header;
  header.kind = static_cast<char>(byte_at(file, 1));
  TextReader reader(file, 2);
  header.width = reader.number("width");
  header.height = reader.number("height");
  if (!header.is_of_bits()) header.maximum = reader.number("largest value");
  header.pixel_offset = reader.end();
  if (header.maximum == 0 || header.maximum > 65535)
    refuse("the PNM's largest value is {} and should be 1 to 65535", header.maximum);
  check_dimensions(header.width, header.height);
  const std::uint64_t need = header.pixel_offset + header.least_row_bytes() * header.height;
  // The last number may end with the file.
  check_length(file.size() + (header.is_text() ? 1 : 0), need, header.width, header.height);
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
  DecodingCost cost = raw_cost(header.width, header.height);
  if (header.is_text()) cost.work += text_byte_work * file.size();
  return cost;
}

Image decode_pnm(Bytes file, const DecodeOptions& options) {
  const PnmHeader header = read_header(file);
  Image image = make_image(header.width, header.height);
  std::uint8_t* out = image.rgb.data();
  const std::size_t copies = 3 / header.channels();  // gray goes to all three channels
  const std::size_t samples = header.width * header.height * header.channels();
  TextReader text(file, header.pixel_offset);
  const Bytes pixels = file.subspan(header.pixel_offset);
  const std::vector<std::uint8_t> table = sample_table(header, options.gray16);
  const auto bit_at = [&](std::size_t y, std::size_t x) {
    return byte_at(pixels, y * header.least_row_bytes() + x / 8) >> (7 - x % 8) & 1U;
  };
  const auto sample_at = [&](std::size_t i) -> std::uint64_t {
    // A bit is 1 where a sample is 0, black.
    if (header.is_of_bits())
      return 1 - (header.is_text() ? text.bit() : bit_at(i / header.width, i % header.width));
    if (header.is_text()) return text.sample(header.maximum);
    return header.sample_bytes() == 2 ? big_endian_16(pixels, 2 * i) : byte_at(pixels, i);
  };
  for (std::size_t i = 0; i < samples; ++i, out += copies)
    std::fill_n(out, copies, table[sample_at(i)]);
  return image;
}

}  // namespace graft::image
