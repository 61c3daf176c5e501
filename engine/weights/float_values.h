#pragma once
// Floating-point types of weights files and their exact conversion to float32.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace graft {

enum class FloatType : std::uint64_t { float32 = 1, float16 = 10, bfloat16 = 16 };  // as in ONNX

inline float from_float16(std::uint32_t bits) {
  const float sign = (bits & 0x8000U) != 0 ? -1.0F : 1.0F;
  const std::uint32_t exponent = bits >> 10U & 31U;
  const std::uint32_t fraction = bits & 1023U;
  if (exponent == 31) return sign * std::bit_cast<float>(0x7f800000U | fraction << 13U);
  const std::uint32_t significand = exponent == 0 ? fraction : fraction + 1024;
  // 2^(exponent - 25); a subnormal has the exponent of the smallest normal number.
  const auto scale = std::bit_cast<float>((std::max(exponent, 1U) + 102U) << 23U);
  return sign * static_cast<float>(significand) * scale;
}

// Little-endian values at any alignment, as many as fill `bytes`.
inline std::vector<float> to_float32(FloatType type, std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / (type == FloatType::float32 ? 4 : 2));
  if (type == FloatType::float32) {
    std::ranges::copy(bytes, std::as_writable_bytes(std::span(values)).begin());
    return values;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + i * sizeof bits, sizeof bits);
    values[i] = type == FloatType::float16 ? from_float16(bits)
                                           : std::bit_cast<float>(std::uint32_t{bits} << 16U);
  }
  return values;
}

}  // namespace graft
