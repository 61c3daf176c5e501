#include "tests/support/npz.h"

#include <zlib.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>

namespace graft::test {

namespace {

using Bytes = std::span<const std::byte>;

template <typename Value>
Value value_at(Bytes bytes, std::size_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(Value)) {
    throw std::runtime_error("the zip file is cut short");
  }
  Value value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::vector<std::byte> inflated(Bytes compressed, std::size_t size) {
  std::vector<std::byte> plain(size);
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::runtime_error("inflateInit2 failed");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  stream.next_out = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_out = static_cast<uInt>(plain.size());
  const int result = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("a zip entry does not inflate");
  return plain;
}

std::string between(const std::string& text, const std::string& before, char after) {
  const std::size_t start = text.find(before);
  if (start == std::string::npos) throw std::runtime_error("no " + before + " in a .npy header");
  const std::size_t from = start + before.size();
  return text.substr(from, text.find(after, from) - from);
}

NpzArray parse_npy(Bytes file) {
  const std::size_t header_bytes = value_at<std::uint16_t>(file, 8);
  const std::string header(reinterpret_cast<const char*>(file.data()) + 10, header_bytes);
  NpzArray array;
  array.descr = between(header, "'descr': '", '\'');
  if (between(header, "'fortran_order': ", ',') != "False")
    throw std::runtime_error("Fortran order");
  const std::string shape = between(header, "'shape': (", ')');
  for (std::size_t at = 0; at < shape.size();) {
    if (shape[at] < '0' || shape[at] > '9') {
      ++at;
      continue;
    }
    std::size_t used = 0;
    array.shape.push_back(std::stoull(shape.substr(at), &used));
    at += used;
  }
  const Bytes values = file.subspan(10 + header_bytes);
  array.bytes.assign(values.begin(), values.end());
  return array;
}

void append_utf8(std::string& text, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80U) return put(code);
  if (code < 0x800U) {
    put(0xC0U | (code >> 6U));
  } else {
    if (code < 0x10000U) {
      put(0xE0U | (code >> 12U));
    } else {
      put(0xF0U | (code >> 18U));
      put(0x80U | ((code >> 12U) & 0x3FU));
    }
    put(0x80U | ((code >> 6U) & 0x3FU));
  }
  put(0x80U | (code & 0x3FU));
}

}  // namespace

std::size_t NpzArray::count() const {
  std::size_t values = 1;
  for (const std::size_t side : shape) values *= side;
  return values;
}

std::vector<double> NpzArray::doubles() const {
  std::vector<double> values(count());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (descr == "<f4") {
      values[i] = value_at<float>(bytes, i * sizeof(float));
    } else if (descr == "<f8") {
      values[i] = value_at<double>(bytes, i * sizeof(double));
    } else {
      throw std::runtime_error("not an array of floats: " + descr);
    }
  }
  return values;
}

std::vector<float> NpzArray::floats() const {
  const std::vector<double> wide = doubles();
  return {wide.begin(), wide.end()};
}

std::vector<std::uint8_t> NpzArray::bytes_u8() const {
  if (descr != "|u1") throw std::runtime_error("not an array of bytes: " + descr);
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return {data, data + bytes.size()};
}

std::vector<std::string> NpzArray::strings() const {
  if (descr.substr(0, 2) != "<U") throw std::runtime_error("not an array of strings: " + descr);
  const std::size_t length = std::stoull(descr.substr(2));
  std::vector<std::string> values(count());
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t c = 0; c < length; ++c) {
      const auto code = value_at<std::uint32_t>(bytes, (i * length + c) * 4);
      if (code == 0) break;
      append_utf8(values[i], code);
    }
  }
  return values;
}

std::map<std::string, NpzArray> read_npz(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot open " + path.string());
  const std::vector<char> content{std::istreambuf_iterator<char>(stream), {}};
  const Bytes zip = std::as_bytes(std::span(content));

  constexpr std::size_t end_record_bytes = 22;
  if (zip.size() < end_record_bytes) throw std::runtime_error("not a zip file: " + path.string());
  std::size_t end = zip.size() - end_record_bytes;
  while (value_at<std::uint32_t>(zip, end) != 0x06054B50U) {
    if (end-- == 0) throw std::runtime_error("not a zip file: " + path.string());
  }
  const auto entries = value_at<std::uint16_t>(zip, end + 10);
  std::size_t entry = value_at<std::uint32_t>(zip, end + 16);

  std::map<std::string, NpzArray> arrays;
  for (std::size_t i = 0; i < entries; ++i) {
    const auto method = value_at<std::uint16_t>(zip, entry + 10);
    const auto compressed = value_at<std::uint32_t>(zip, entry + 20);
    const auto size = value_at<std::uint32_t>(zip, entry + 24);
    const auto name_bytes = value_at<std::uint16_t>(zip, entry + 28);
    const auto extra_bytes = value_at<std::uint16_t>(zip, entry + 30);
    const auto comment_bytes = value_at<std::uint16_t>(zip, entry + 32);
    const std::size_t local = value_at<std::uint32_t>(zip, entry + 42);
    std::string name(reinterpret_cast<const char*>(zip.data()) + entry + 46, name_bytes);
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    const std::size_t data = local + 30 + value_at<std::uint16_t>(zip, local + 26) +
                             value_at<std::uint16_t>(zip, local + 28);
    if (data > zip.size() || zip.size() - data < compressed) {
      throw std::runtime_error("the zip file is cut short");
    }
    const Bytes stored = zip.subspan(data, compressed);
    if (method == 0) {
      arrays.emplace(name, parse_npy(stored));
    } else {
      arrays.emplace(name, parse_npy(inflated(stored, size)));
    }
    entry += 46U + name_bytes + extra_bytes + comment_bytes;
  }
  return arrays;
}

}  // namespace graft::test
