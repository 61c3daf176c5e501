// add, sub, mul, mad, fma, div, rem, min, max for integers and for all floating-point types.

#include "ops/arithmetic.h"

#include <algorithm>

#include "ops/handlers.h"

namespace vgpu {
namespace {

struct Fma {
  float operator()(float a, float b, float c) const { return std::fma(a, b, c); }
  double operator()(double a, double b, double c) const { return std::fma(a, b, c); }
  template <class T>
  T operator()(T a, T b, T c) const {
    return fma16(a, b, c);
  }
};
using FmaRelu = decltype([]<class T>(T a, T b, T c) {
  return from_float<T>(NanWins<Maximum>{}(to_float(fma16(a, b, c)), 0.0F));
});
using Divide = decltype([](auto a, auto b) { return a / b; });

// Integers. Division by zero gives all ones, as the device does.
using IntegerDivide = decltype([]<class T>(T a, T b) {
  if (b == 0) return static_cast<T>(~T{0});
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) return static_cast<T>(0 - a);
  return static_cast<T>(a / b);
});
using Remainder = decltype([]<class T>(T a, T b) {
  if (b == 0) return a;
  return std::is_signed_v<T> && b == static_cast<T>(-1) ? T{0} : static_cast<T>(a % b);
});
__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;
template <class T>
using Wider = std::conditional_t<
    sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, Int128, Uint128>,
    std::conditional_t<sizeof(T) == 4,
                       std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, std::int32_t, std::uint32_t>>>;

using MultiplyWide = decltype([]<class T>(T a, T b) { return Wider<T>{a} * Wider<T>{b}; });
using MultiplyHigh = decltype([]<class T>(T a, T b) {
  return static_cast<T>(MultiplyWide{}(a, b) >> (8 * sizeof(T)));
});
// The product of Multiply, MultiplyHigh or MultiplyWide, and c.
template <class Product>
struct AndAdd {
  template <class T, class C>
  C operator()(T a, T b, C c) const {
    return static_cast<C>(Product{}(a, b) + c);
  }
};
template <class F>
struct SaturatedInteger {
  std::int32_t operator()(std::int32_t a, std::int32_t b) const {
    const std::int64_t exact = F{}(std::int64_t{a}, std::int64_t{b});
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(exact, INT32_MIN, INT32_MAX));
  }
};

// ---- Decoding ----

// Arithmetic that wraps is done without signs.
template <int sources, class F>
Handler wrapping(Type type) {
  return by_integer(type, []<class T>() -> Handler {
    using U = std::make_unsigned_t<T>;
    return apply<sources, F, U, U>;
  });
}
template <int sources, class F>
Handler on_integers(Type type) {
  return by_integer(type, []<class T>() -> Handler { return apply<sources, F, T, T>; });
}

template <class F>
Handler add_like(Decoding& d) {
  const Rounding r = take_rounding(d);
  const Type type = d.type();
  d.plain(type);
  if (d.operands() != 3) return nullptr;
  if (type == Type::f32) return on_floats<2, F>(r);
  if (type == Type::f64) return in_mode<binary<double, F>>(r.mode);
  if (is_float(type)) {
    if (r.mode != FE_TONEAREST || r.flush) return nullptr;
    return r.saturate ? pick_16<2, Through<Saturated<F>>>(type) : pick_16<2, Through<F>>(type);
  }
  if (!r.saturate) return wrapping<2, F>(type);
  return type == Type::s32 ? binary<std::int32_t, SaturatedInteger<F>> : nullptr;
}

// mul.wide and mad.wide: the result and the addend are twice as wide as a and b.
Handler decode_wide(Decoding& d) {
  const bool adds = d.operands() == 4;
  const Type type = d.type();
  const Type wide = sized(is_signed(type) ? Type::s8 : Type::u8, 2 * bytes_of(type));
  if (adds)
    d.registers(wide, {type, type, wide});
  else
    d.registers(wide, {type, type});
  return by_type<std::uint16_t, std::int16_t, std::uint32_t, std::int32_t>(
      type, [=]<class T>() -> Handler {
        using W = Wider<T>;
        return adds ? apply<3, AndAdd<MultiplyWide>, W, T, T, W> : apply<2, MultiplyWide, W, T>;
      });
}

Handler decode_mul(Decoding& d) {
  if (d.take("wide")) return decode_wide(d);
  const bool high = d.take("hi");
  if (!high && !d.take("lo")) return add_like<Multiply>(d);
  const Type type = d.type();
  d.plain(type);
  return high ? on_integers<2, MultiplyHigh>(type) : wrapping<2, Multiply>(type);
}

Handler decode_fma(Decoding& d) {
  const Rounding r = take_rounding(d);
  const bool relu = d.take("relu");
  const Type type = d.type();
  d.plain(type);
  if (d.operands() != 4) return nullptr;
  if (relu) return r.flush || r.saturate ? nullptr : pick_16<3, FmaRelu>(type);
  if (type == Type::f32) return on_floats<3, Fma>(r);
  if (type == Type::f64) return in_mode<ternary<double, Fma>>(r.mode);
  return r.flush || r.saturate || r.mode != FE_TONEAREST ? nullptr : pick_16<3, Fma>(type);
}

Handler decode_mad(Decoding& d) {
  if (d.take("wide")) return decode_wide(d);
  const bool high = d.take("hi");
  if (!high && !d.take("lo")) return decode_fma(d);
  const Type type = d.type();
  d.plain(type);
  return high ? on_integers<3, AndAdd<MultiplyHigh>>(type) : wrapping<3, AndAdd<Multiply>>(type);
}

Handler decode_div(Decoding& d) {
  const bool loose = d.take("approx") || d.take("full");
  const Rounding r = take_rounding(d);
  const Type type = d.type();
  d.plain(type);
  if (type == Type::f32) return on_floats<2, Divide>(r);
  if (type == Type::f64 && !loose) return in_mode<binary<double, Divide>>(r.mode);
  return on_integers<2, IntegerDivide>(type);
}

Handler decode_rem(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return on_integers<2, Remainder>(type);
}

template <class F>
Handler min_max(Decoding& d) {
  const bool flush = d.take("ftz");
  const bool nan = d.take("NaN");
  const Type type = d.type();
  d.plain(type);
  if (d.operands() != 3) return nullptr;
  if (type == Type::f32)
    return nan ? on_floats<2, NanWins<F>>({.flush = flush}) : on_floats<2, F>({.flush = flush});
  if (flush) return nullptr;
  if (type == Type::f64) return binary<double, F>;
  if (is_float(type))
    return nan ? pick_16<2, Through<NanWins<F>>>(type) : pick_16<2, Through<F>>(type);
  return nan ? nullptr : on_integers<2, F>(type);
}

constexpr OpcodeRow kOpcodes[] = {
    {"add", add_like<Add>}, {"sub", add_like<Subtract>}, {"mul", decode_mul},
    {"mad", decode_mad},    {"fma", decode_fma},         {"div", decode_div},
    {"rem", decode_rem},    {"min", min_max<Minimum>},   {"max", min_max<Maximum>}};

}  // namespace

std::span<const OpcodeRow> arithmetic_opcodes() {
  return kOpcodes;
}

}  // namespace vgpu
