#include "engine/features/npy.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>

#include "engine/base/error.h"

namespace graft {
namespace {

static_assert(std::endian::native == std::endian::little, "<f4 and <u4 are mapped as they stand");

using namespace std::string_view_literals;

constexpr std::string_view magic = "\x93NUMPY"sv;
constexpr std::size_t version_1_prefix = 10;  // magic, two bytes of version, uint16 length
constexpr std::size_t version_2_prefix = 12;  // the same with a uint32 length
constexpr std::size_t alignment = 64;
constexpr std::size_t longest_header = 65'535;  // what version 1 can say; a real one has 118
constexpr std::size_t largest_rank = 64;        // NumPy's own limit
constexpr std::size_t bytes_each = 4;           // of both types that are read

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> sentence, Arguments&&... arguments) {
  throw Error(ErrorKind::data, fmt::format(sentence, std::forward<Arguments>(arguments)...));
}

// The number of bytes of a shape; refuses one that does not fit a size_t.
std::size_t data_bytes(std::span<const std::size_t> shape) {
  std::size_t bytes = bytes_each;
  for (const std::size_t extent : shape) {
    if (extent != 0 && bytes > std::numeric_limits<std::size_t>::max() / extent) {
      refuse("the shape ({}) of the .npy header is too large to be true", fmt::join(shape, ", "));
    }
    bytes *= extent;
  }
  return bytes;
}

// Parses the Python literal that NumPy writes: one dict with the keys descr (a string),
// fortran_order (True or False) and shape (a tuple of integers), each once, in any order. Nothing
// else of Python is understood; nothing nests.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  NpyHeader parse() {
    NpyHeader header;
    expect('{');
    while (!accept('}')) {
      parse_entry(header);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (!rest_.empty()) refuse("the .npy header goes on after its closing brace");
    if (!has_descr_ || !has_order_ || !has_shape_) {
      refuse("the .npy header lacks one of descr, fortran_order and shape");
    }
    return header;
  }

 private:
  void parse_entry(NpyHeader& header) {
    const std::string_view key = parse_string();
    expect(':');
    if (key == "descr") {
      mark(has_descr_, key);
      header.descr = parse_string();
    } else if (key == "fortran_order") {
      mark(has_order_, key);
      if (parse_boolean()) {
        refuse("the .npy file is in Fortran order; save it with numpy.ascontiguousarray");
      }
    } else if (key == "shape") {
      mark(has_shape_, key);
      header.shape = parse_tuple();
    } else {
      refuse("the .npy header has the unknown key '{}'", key);
    }
  }

  static void mark(bool& seen, std::string_view key) {
    if (seen) refuse("the .npy header has the key '{}' twice", key);
    seen = true;
  }

  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n'))
      rest_.remove_prefix(1);
  }
  bool accept(char c) {
    skip_blanks();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (accept(c)) return;
    if (rest_.empty()) refuse("the .npy header ends where '{}' should stand", c);
    refuse("the .npy header has '{}' where '{}' should stand", printable(rest_.front()), c);
  }
  bool accept_word(std::string_view word) {
    skip_blanks();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  static std::string printable(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x7f ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }

  std::string_view parse_string() {
    skip_blanks();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) {
      refuse(
          "the .npy header has no string where one should stand (structured types are not read)");
    }
    const char quote = rest_.front();
    const std::size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) refuse("a string of the .npy header does not end");
    const std::string_view text = rest_.substr(1, end - 1);
    for (const char c : text) {
      if (c == '\\' || printable(c).size() != 1) {
        refuse("a string of the .npy header holds the character {}", printable(c));
      }
    }
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool parse_boolean() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    refuse("fortran_order of the .npy header is neither True nor False");
  }

  std::vector<std::size_t> parse_tuple() {
    std::vector<std::size_t> shape;
    bool comma = true;
    expect('(');
    while (!accept(')')) {
      if (!comma) expect(',');
      if (shape.size() == largest_rank) refuse("the .npy header has more than 64 dimensions");
      shape.push_back(parse_integer());
      comma = accept(',');
    }
    if (shape.size() == 1 && !comma) refuse("the shape of the .npy header is no tuple");
    return shape;
  }

  std::size_t parse_integer() {
    skip_blanks();
    std::size_t value = 0;
    const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (problem != std::errc()) {
      refuse("the shape of the .npy header holds something that is no unsigned 64-bit integer");
    }
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  std::string_view rest_;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

void write_whole(const std::filesystem::path& path, const std::string& header,
                 std::span<const std::byte> values) {
  const std::filesystem::path beside = partial_path(path);
  try {
    File file(beside, File::Mode::create_or_truncate);
    file.append(std::as_bytes(std::span(header)));
    file.append(values);
    file.sync_data();
    file.close();
    rename_durably(beside, path);
  } catch (...) {
    std::error_code ignored;  // the first error is the one to report
    std::filesystem::remove(beside, ignored);
    throw;
  }
}

}  // namespace

std::string npy_header(const std::string& descr, std::span<const std::size_t> shape) {
  if (shape.size() > largest_rank)
    throw Error(ErrorKind::usage, "a .npy file has 64 dimensions at most");
  if (descr.find_first_of("'\\\n") != std::string::npos || descr.size() > alignment) {
    throw Error(ErrorKind::usage, fmt::format("\"{}\" is no type of a .npy file", descr));
  }
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                 descr, fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  const std::size_t unpadded = version_1_prefix + dict.size() + 1;
  dict.append((alignment - unpadded % alignment) % alignment, ' ');
  dict += '\n';
  std::string header(magic);
  header +=
      {'\x01', '\x00', static_cast<char>(dict.size() & 0xff), static_cast<char>(dict.size() >> 8)};
  return header + dict;
}

NpyHeader parse_npy_header(std::span<const std::byte> start_of_file) {
  const std::string_view text(reinterpret_cast<const char*>(start_of_file.data()),
                              start_of_file.size());
  if (!text.starts_with(magic)) refuse("it does not begin like a .npy file");
  if (text.size() < version_2_prefix) refuse("it ends within the .npy header");
  const auto version = static_cast<unsigned>(start_of_file[6]);
  if (version < 1 || version > 3 || start_of_file[7] != std::byte{0}) {
    refuse("its .npy version is {}.{}; versions 1.0, 2.0 and 3.0 are read", version,
           static_cast<unsigned>(start_of_file[7]));
  }
  const std::size_t prefix = version == 1 ? version_1_prefix : version_2_prefix;
  std::uint32_t length = 0;
  std::memcpy(&length, start_of_file.data() + 8, prefix - 8);
  if (length > longest_header) {
    refuse("its .npy header should have {} bytes, above the limit of {}", length, longest_header);
  }
  if (length > text.size() - prefix) {
    refuse("its .npy header should have {} bytes but only {} follow", length, text.size() - prefix);
  }
  NpyHeader header = HeaderParser(text.substr(prefix, length)).parse();
  header.data_offset = prefix + length;
  return header;
}

NpyFile::NpyFile(const std::filesystem::path& path) : file_(path) {
  try {
    header_ = parse_npy_header(file_.bytes());
    if (header_.descr != "<f4" && header_.descr != "<u4") {
      refuse(
          "its values are of type '{}'; only '<f4' and '<u4' are read: save it with "
          "astype('<f4')",
          header_.descr);
    }
    const std::size_t due = data_bytes(header_.shape);
    const std::size_t found = file_.bytes().size() - header_.data_offset;
    if (found != due) {
      refuse("its shape ({}) needs {} bytes of values but the file holds {}: it is {}",
             fmt::join(header_.shape, ", "), due, found, found < due ? "truncated" : "too long");
    }
    if (header_.data_offset % alignof(float) != 0) {
      refuse(
          "its values begin at byte {}, which is no multiple of 4: save it again with numpy.save",
          header_.data_offset);
    }
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", path.string(), error.what()));
  }
}

std::span<const float> NpyFile::floats() const {
  if (header_.descr != "<f4") {
    refuse("{}: its values are of type '{}' and not floats", file_.path().string(), header_.descr);
  }
  const std::span<const std::byte> values = file_.bytes().subspan(header_.data_offset);
  return {reinterpret_cast<const float*>(values.data()), values.size() / sizeof(float)};
}

std::span<const std::uint32_t> NpyFile::labels() const {
  if (header_.descr != "<u4") {
    refuse("{}: its values are of type '{}' and not 32-bit labels", file_.path().string(),
           header_.descr);
  }
  const std::span<const std::byte> values = file_.bytes().subspan(header_.data_offset);
  return {reinterpret_cast<const std::uint32_t*>(values.data()),
          values.size() / sizeof(std::uint32_t)};
}

void write_npy(const std::filesystem::path& path, std::span<const std::uint32_t> values) {
  const std::size_t shape[] = {values.size()};
  write_whole(path, npy_header("<u4", shape), std::as_bytes(values));
}

void write_npy(const std::filesystem::path& path, std::span<const float> values,
               std::span<const std::size_t> shape) {
  if (data_bytes(shape) != values.size_bytes()) {
    throw Error(ErrorKind::usage,
                fmt::format("{}: {} values do not fill the shape ({})", path.string(),
                            values.size(), fmt::join(shape, ", ")));
  }
  write_whole(path, npy_header("<f4", shape), std::as_bytes(values));
}

}  // namespace graft
