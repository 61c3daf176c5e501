#pragma once
// Arrays of float, half or bfloat16 in device memory, as floats on the host.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ops/arithmetic.h"

namespace vgpu {

enum class Number : std::uint8_t { f32, f16, bf16 };

inline std::size_t bytes_of(Number type) {
  return type == Number::f32 ? 4 : 2;
}

inline float load_number(Number type, const void* data, std::int64_t index) {
  const auto* bytes =
      static_cast<const std::byte*>(data) + index * static_cast<std::int64_t>(bytes_of(type));
  switch (type) {
    case Number::f16: {
      Half value;
      std::memcpy(&value, bytes, sizeof value);
      return to_float(value);
    }
    case Number::bf16: {
      Bfloat value;
      std::memcpy(&value, bytes, sizeof value);
      return to_float(value);
    }
    default: {
      float value = 0;
      std::memcpy(&value, bytes, sizeof value);
      return value;
    }
  }
}

inline void store_number(Number type, void* data, std::int64_t index, float value) {
  auto* bytes = static_cast<std::byte*>(data) + index * static_cast<std::int64_t>(bytes_of(type));
  switch (type) {
    case Number::f16: {
      const Half narrow = from_float<Half>(value);
      std::memcpy(bytes, &narrow, sizeof narrow);
      return;
    }
    case Number::bf16: {
      const Bfloat narrow = from_float<Bfloat>(value);
      std::memcpy(bytes, &narrow, sizeof narrow);
      return;
    }
    default:
      std::memcpy(bytes, &value, sizeof value);
  }
}

}  // namespace vgpu
