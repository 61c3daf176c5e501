#pragma once
// Fields of protobuf messages: a reader in place, and fields as bytes. ONNX needs five messages and a
// dozen fields; the protobuf library would copy the 60 MB of weights and add a compiler to the build. A
// nested message is a field of bytes. The reader checks every length against the enclosing span.
// Source: https://protobuf.dev/programming-guides/encoding/

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace graft {

// A message that is not well-formed. The caller adds the file's name.
class WireError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class WireReader {
 public:
  enum class Type : unsigned { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

  explicit WireReader(std::span<const std::byte> message) : rest_(message) {}

  // Steps to the next field and takes its value; false at the end of the message.
  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t tag = take_varint();
    if (tag >> 32U != 0 || tag >> 3U == 0) throw WireError("a field has an impossible number");
    field_ = static_cast<std::uint32_t>(tag >> 3U);
    type_ = static_cast<Type>(tag & 7U);
    switch (type_) {
      case Type::varint:
        varint_ = take_varint();
        break;
      case Type::fixed64:
        bytes_ = take_bytes(8);
        break;
      case Type::bytes:
        bytes_ = take_bytes(take_varint());
        break;
      case Type::fixed32:
        bytes_ = take_bytes(4);
        break;
      default:
        throw WireError("a field has a wire type that is not in use");
    }
    return true;
  }

  bool is(std::uint32_t field, Type type) const { return field_ == field && type_ == type; }

  std::uint64_t varint() const { return varint_; }             // of a varint
  std::span<const std::byte> bytes() const { return bytes_; }  // of the others
  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

  // For packed numbers: a varint at the start of what is left.
  bool empty() const { return rest_.empty(); }
  std::uint64_t take_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) throw WireError("it ends within a number");
      const auto byte = static_cast<std::uint64_t>(rest_.front());
      rest_ = rest_.subspan(1);
      if (shift == 63 && byte > 1) break;
      value |= (byte & 0x7fU) << shift;
      if (byte < 0x80) return value;
    }
    throw WireError("a number has more than 64 bits");
  }

 private:
  std::span<const std::byte> take_bytes(std::uint64_t length) {
    if (length > rest_.size()) {
      throw WireError("a field of " + std::to_string(length) + " bytes does not fit the " +
                      std::to_string(rest_.size()) + " that are left");
    }
    const auto taken = rest_.first(length);
    rest_ = rest_.subspan(length);
    return taken;
  }

  std::span<const std::byte> rest_;
  std::uint32_t field_ = 0;
  Type type_ = Type::varint;
  std::uint64_t varint_ = 0;
  std::span<const std::byte> bytes_;
};

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
