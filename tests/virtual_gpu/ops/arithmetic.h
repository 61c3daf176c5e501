#pragma once
// Numbers of the device on the host: half and bfloat16 with one rounding per operation, and the
// functors from which handlers are made.
//
// float has more than twice the bits of both 16-bit formats plus two, so that +, -, ·, / and √ in
// float and a second rounding give the correctly rounded result. For fma that does not hold: it is
// done in double and rounded to odd before the last rounding.

#include <immintrin.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace vgpu {

struct Half {
  std::uint16_t bits;
};
struct Bfloat {
  std::uint16_t bits;
};
template <class T>
struct Pair {
  T low, high;
};
using Half2 = Pair<Half>;
using Bfloat2 = Pair<Bfloat>;

inline float to_float(Half h) {
  return _cvtsh_ss(h.bits);
}
inline float to_float(Bfloat b) {
  return std::bit_cast<float>(std::uint32_t{b.bits} << 16U);
}
inline float to_float(float f) {
  return f;
}

template <class T>
T from_float(float value);
template <>
inline float from_float<float>(float value) {
  return value;
}
template <>
inline Half from_float<Half>(float value) {
  if (value != value) return {0x7FFF};
  return {static_cast<std::uint16_t>(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT))};
}
template <>
inline Bfloat from_float<Bfloat>(float value) {
  if (value != value) return {0x7FFF};
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return {static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U)};
}

// Towards zero; the last bit is set where anything was lost. Rounding the result once more to 22
// bits or fewer is then as good as rounding `value` once.
inline float round_to_odd(double value) {
  float f = static_cast<float>(value);
  if (static_cast<double>(f) == value || value != value || std::isinf(f)) return f;
  if (std::fabs(static_cast<double>(f)) > std::fabs(value)) f = std::nextafterf(f, 0.0F);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(f) | 1U);
}

// a · b + c for 16-bit formats, rounded once. The product is exact in double; the sum is made odd
// by its error term.
template <class T>
T fma16(T a, T b, T c) {
  const double product = static_cast<double>(to_float(a)) * static_cast<double>(to_float(b));
  const double addend = to_float(c);
  double sum = product + addend;
  if (std::isfinite(sum)) {
    const double shadow = sum - product;
    const double error = (product - (sum - shadow)) + (addend - shadow);
    auto bits = std::bit_cast<std::uint64_t>(sum);
    if (error != 0 && (bits & 1U) == 0) {
      bits += (error > 0) == (sum > 0) ? 1 : ~std::uint64_t{0};
      sum = std::bit_cast<double>(bits);
    }
  }
  return from_float<T>(round_to_odd(sum));
}

// Functors of two numbers, in whatever type they are done.
using Add = decltype([](auto a, auto b) { return static_cast<decltype(a)>(a + b); });
using Subtract = decltype([](auto a, auto b) { return static_cast<decltype(a)>(a - b); });
using Multiply = decltype([](auto a, auto b) { return static_cast<decltype(a)>(a * b); });
using And = decltype([](auto a, auto b) { return static_cast<decltype(a)>(a & b); });
using Or = decltype([](auto a, auto b) { return static_cast<decltype(a)>(a | b); });
using Xor = decltype([](auto a, auto b) { return static_cast<decltype(a)>(a ^ b); });

// The other operand where one is NaN; -0 is below +0.
using Minimum = decltype([]<class T>(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a != a) return b;
    if (a == b) return std::signbit(a) ? a : b;
  }
  return b < a ? b : a;
});
using Maximum = decltype([]<class T>(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a != a) return b;
    if (a == b) return std::signbit(a) ? b : a;
  }
  return b > a ? b : a;
});
// .NaN: a NaN where either operand is one.
template <class F>
struct NanWins {
  template <class T>
  T operator()(T a, T b) const {
    if (a != a || b != b) return std::numeric_limits<T>::quiet_NaN();
    return F{}(a, b);
  }
};

// .ftz: subnormal operands and results become zeros of their sign.
inline float flushed(float value) {
  return std::fabs(value) < std::numeric_limits<float>::min() ? std::copysign(0.0F, value) : value;
}
// .sat: into [0, 1], NaN to 0.
template <class T>
T saturated(T value) {
  return value > 0 ? (value < 1 ? value : T{1}) : T{0};
}

template <class F>
struct Flushed {
  template <class... T>
  float operator()(T... values) const {
    return flushed(F{}(flushed(values)...));
  }
};
template <class F>
struct Saturated {
  template <class T, class... Rest>
  T operator()(T a, Rest... rest) const {
    return saturated(F{}(a, rest...));
  }
};

}  // namespace vgpu
