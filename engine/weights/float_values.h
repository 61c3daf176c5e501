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

#ifdef __aarch64__
using Half = __fp16;
#else
using Half = _Float16;
#endif

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
    values[i] = type == FloatType::float16 ? static_cast<float>(std::bit_cast<Half>(bits))
                                           : std::bit_cast<float>(std::uint32_t{bits} << 16U);
  }
  return values;
}

}  // namespace graft
