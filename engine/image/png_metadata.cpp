// Orientation in a PNG: the chunk eXIf, XMP, and the "Raw profile" that ImageMagick writes as text.

#include <zlib.h>

#include <charconv>

#include "engine/image/formats.h"

namespace graft::image {
namespace {

constexpr uLong longest_text = uLong{1} << 20;  // as Pillow's

// Drops what is before `end`, and `end`; everything where there is none.
void skip(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
}

// The data of a text chunk behind its keyword, inflated; the beginning where it is cut or too long.
std::string text_of(std::string_view type, std::string_view data) {
  const bool is_itxt = type == "iTXt";
  const std::size_t flags = type == "zTXt" ? 1 : is_itxt ? 2 : 0;
  if (data.size() < flags) return {};
  const bool is_compressed = type == "zTXt" || (is_itxt && data[0] != 0);
  if (is_compressed && data[flags - 1] != 0) return {};  // an unknown method
  data.remove_prefix(flags);
  if (is_itxt) skip(data, '\0');  // the language
  if (is_itxt) skip(data, '\0');  // the translated keyword
  if (!is_compressed) return std::string(data.substr(0, longest_text));
  std::string text(longest_text, '\0');
  uLong size = longest_text;
  const int result = uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                                reinterpret_cast<const Bytef*>(data.data()), data.size());
  text.resize(result == Z_OK || result == Z_BUF_ERROR ? size : 0);
  return text;
}

// Three lines (empty, the type, the length), then hexadecimal digits in lines. Empty where it is not.
std::string bytes_of_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) skip(text, '\n');
  std::string digits(text);
  std::erase_if(digits, is_space);
  std::string bytes;
  for (const char* digit = digits.data(); digit < digits.data() + digits.size(); digit += 2) {
    unsigned value = 0;
    if (std::from_chars(digit, digit + 2, value, 16).ptr != digit + 2) return {};
    bytes += static_cast<char>(value);
  }
  return bytes;
}

}  // namespace

void PngMetadata::add(std::string_view type, std::string_view data) {
  if (type == "eXIf") exif_ = data;
  if (type != "tEXt" && type != "zTXt" && type != "iTXt") return;
  const std::string_view keyword = data.substr(0, data.find('\0'));
  skip(data, '\0');
  if (keyword == "exif" && type == "tEXt") exif_ = data;
  if (keyword == "Raw profile type exif") profile_ = {type, data};
  if (keyword == "XML:com.adobe.xmp") xmp_ = {type, data};
}

std::uint64_t PngMetadata::bytes() const {
  const bool has_text = !profile_.first.empty() || !xmp_.first.empty();
  return (exif_ ? exif_->size() : 0) + (has_text ? 4 * longest_text : 0);
}

Metadata PngMetadata::read() const {
  return {exif_ ? std::string(*exif_) : bytes_of_profile(text_of(profile_.first, profile_.second)),
          text_of(xmp_.first, xmp_.second)};
}

}  // namespace graft::image
