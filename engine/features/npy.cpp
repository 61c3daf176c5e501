#include "engine/features/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <charconv>
#include <limits>
#include <string_view>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {
namespace {

static_assert(std::endian::native == std::endian::little, "<f4 and <u4 are mapped unchanged");

using namespace std::string_view_literals;

constexpr std::string_view magic = "\x93NUMPY\x01\x00"sv;  // with the version
constexpr std::size_t prefix = 10;                         // magic and a uint16 length
constexpr std::size_t alignment = 64;
constexpr std::size_t largest_rank = 64;  // NumPy's own limit
constexpr std::size_t value_bytes = 4;    // of both types

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> sentence, Arguments&&... arguments) {
  throw Error(ErrorKind::data, fmt::format(sentence, std::forward<Arguments>(arguments)...));
}

// The number of bytes of a shape; refuses one that does not fit a size_t.
std::size_t data_bytes(std::span<const std::size_t> shape) {
  std::size_t bytes = value_bytes;
  for (const std::size_t extent : shape) {
    if (extent != 0 && bytes > std::numeric_limits<std::size_t>::max() / extent)
      refuse("the shape ({}) of the .npy header is too large to be true", fmt::join(shape, ", "));
    bytes *= extent;
  }
  return bytes;
}

std::string dict_of(std::string_view descr, std::span<const std::size_t> shape) {
  return fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                     fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

// Finds the type and the shape, then compares the text with what numpy.save writes for them.
NpyHeader parse_dict(std::string_view text) {
  constexpr std::string_view start = "{'descr': '";
  constexpr std::string_view shape_start = "'shape': (";
  text = text.substr(0, text.find_last_not_of(" \n") + 1);
  if (text.find("'fortran_order': True") != std::string_view::npos)
    refuse("the .npy file is in Fortran order; save it with numpy.ascontiguousarray");
  NpyHeader header;
  if (text.starts_with(start))
    header.descr = text.substr(start.size(), text.find('\'', start.size()) - start.size());
  std::size_t at = text.find(shape_start);
  for (at = at == std::string_view::npos ? text.size() : at + shape_start.size();
       at < text.size() && header.shape.size() <= largest_rank;) {
    std::size_t extent = 0;
    const auto [end, problem] = std::from_chars(&text[at], text.data() + text.size(), extent);
    if (problem != std::errc()) break;
    header.shape.push_back(extent);
    at = text.find_first_not_of(", ", static_cast<std::size_t>(end - text.data()));
  }
  if (header.shape.size() > largest_rank || text != dict_of(header.descr, header.shape))
    refuse("the .npy header is not as numpy.save writes it; save the array again with numpy.save");
  return header;
}

void write_complete(const std::filesystem::path& path, const std::string& header,
                    std::span<const std::byte> values) {
  write_durably(path, [&](File& file) {
    file.write_at(0, as_bytes(header));
    file.write_at(header.size(), values);
  });
}

}  // namespace

std::string npy_header(const std::string& descr, std::span<const std::size_t> shape) {
  if (shape.size() > largest_rank)
    throw Error(ErrorKind::usage, "a .npy file has 64 dimensions at most");
  std::string dict = dict_of(descr, shape);
  const std::size_t unpadded = prefix + dict.size() + 1;
  dict.append((alignment - unpadded % alignment) % alignment, ' ');
  dict += '\n';
  std::string header(magic);
  header += {static_cast<char>(dict.size() & 0xff), static_cast<char>(dict.size() >> 8)};
  return header + dict;
}

NpyHeader parse_npy_header(std::span<const std::byte> start_of_file) {
  const std::string_view text(reinterpret_cast<const char*>(start_of_file.data()),
                              start_of_file.size());
  if (!text.starts_with(magic)) refuse("it does not begin like a .npy file of version 1.0");
  if (text.size() < prefix) refuse("it ends within the .npy header");
  const std::size_t length =
      static_cast<unsigned>(start_of_file[8]) + 256U * static_cast<unsigned>(start_of_file[9]);
  if (length > text.size() - prefix)
    refuse("its .npy header should have {} bytes but only {} follow", length, text.size() - prefix);
  NpyHeader header = parse_dict(text.substr(prefix, length));
  header.data_offset = prefix + length;
  return header;
}

NpyFile::NpyFile(const std::filesystem::path& path) : file_(path) {
  try {
    header_ = parse_npy_header(file_.bytes());
    if (header_.descr != "<f4" && header_.descr != "<u4")
      refuse("its values are not of type '<f4' or '<u4'; save it with astype('<f4')");
    const std::size_t expected = data_bytes(header_.shape);
    const std::size_t found = file_.bytes().size() - header_.data_offset;
    if (found != expected) {
      refuse("its shape ({}) needs {} bytes of values but the file holds {}: it is {}",
             fmt::join(header_.shape, ", "), expected, found,
             found < expected ? "truncated" : "too long");
    }
    if (header_.data_offset % alignof(float) != 0) {
      refuse("its values begin at byte {}, no multiple of 4; save it again with numpy.save",
             header_.data_offset);
    }
  } catch (const Error& error) {
    throw Error(error.kind(), "{}: {}", shown(path), error.what());
  }
}

template <typename Value>
std::span<const Value> NpyFile::values(const char* descr) const {
  if (header_.descr != descr) {
    refuse("{}: its values are of type '{}' and not '{}'", shown(file_.path()), header_.descr,
           descr);
  }
  const std::span<const std::byte> bytes = file_.bytes().subspan(header_.data_offset);
  return {reinterpret_cast<const Value*>(bytes.data()), bytes.size() / sizeof(Value)};
}

std::span<const float> NpyFile::floats() const {
  return values<float>("<f4");
}

std::span<const std::uint32_t> NpyFile::labels() const {
  return values<std::uint32_t>("<u4");
}

void write_npy(const std::filesystem::path& path, std::span<const std::uint32_t> values) {
  const std::size_t shape[] = {values.size()};
  write_complete(path, npy_header("<u4", shape), std::as_bytes(values));
}

void write_npy(const std::filesystem::path& path, std::span<const float> values,
               std::span<const std::size_t> shape) {
  if (data_bytes(shape) != values.size_bytes()) {
    throw Error(ErrorKind::usage, "{}: {} values do not fill the shape ({})", shown(path),
                values.size(), fmt::join(shape, ", "));
  }
  write_complete(path, npy_header("<f4", shape), std::as_bytes(values));
}

}  // namespace graft
