#pragma once
// Arrays of float, half or bfloat16 in device memory, as floats on the host.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ops/arithmetic.h"

namespace vgpu {

enum class Number : std::uint8_t { f32, f16, bf16 };

inline std::size_t bytes_of(Number type) {
  return type == Number::f32 ? 4 : 2;
}

// To the ten bits of TF32's fraction, ties away from zero, as cvt.rna.tf32.f32.
inline float rounded_to_tf32(float value) {
  auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7F800000U) != 0x7F800000U) bits = (bits + 0x1000U) & ~0x1FFFU;
  return std::bit_cast<float>(bits);
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
