#pragma once
// Fields of protobuf messages as bytes: the counterpart of wire_reader.h. A nested message is a field
// of bytes.
// Source: https://protobuf.dev/programming-guides/encoding/

#include <cstdint>
#include <string>
#include <string_view>

namespace graft {

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7U) bytes += static_cast<char>(value | 0x80U);
  return bytes + static_cast<char>(value);
}

inline std::string number_field(std::uint32_t field, std::uint64_t value) {
  return varint(field << 3U) + varint(value);
}

// What precedes the `size` bytes of a field.
inline std::string bytes_start(std::uint32_t field, std::uint64_t size) {
  return varint((field << 3U) | 2U) + varint(size);
}

inline std::string bytes_field(std::uint32_t field, std::string_view bytes) {
  return bytes_start(field, bytes.size()).append(bytes);
}

}  // namespace graft
