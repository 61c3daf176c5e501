// add, sub, mul, mad, fma, div, rem, min, max for integers and for all floating-point types.

#include <algorithm>
#include <cfenv>
#include <type_traits>

#include "arithmetic.h"
#include "decoder.h"
#include "handlers.h"

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
struct FmaRelu {
  template <class T>
  T operator()(T a, T b, T c) const {
    return from_float<T>(NanWins<Maximum>{}(to_float(fma16(a, b, c)), 0.0F));
  }
};
struct MultiplyAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    return static_cast<T>(Multiply{}(a, b) + c);
  }
};

// Integers. Division by zero gives all ones, as the device does.
struct IntegerDivide {
  template <class T>
  T operator()(T a, T b) const {
    if (b == 0) return static_cast<T>(~T{0});
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a));
    return static_cast<T>(a / b);
  }
};
struct Remainder {
  template <class T>
  T operator()(T a, T b) const {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>)
      if (b == -1) return 0;
    return static_cast<T>(a % b);
  }
};
__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;
template <class T>
using Wider = std::conditional_t<
    sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, Int128, Uint128>,
    std::conditional_t<sizeof(T) == 4,
                       std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, std::int32_t, std::uint32_t>>>;

struct MultiplyHigh {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>((static_cast<Wider<T>>(a) * static_cast<Wider<T>>(b)) >> (8 * sizeof(T)));
  }
};
struct MultiplyHighAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    return static_cast<T>(MultiplyHigh{}(a, b) + c);
  }
};
struct AddSaturated {
  std::int32_t operator()(std::int32_t a, std::int32_t b) const {
    const std::int64_t sum = std::int64_t{a} + b;
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX));
  }
};
struct SubtractSaturated {
  std::int32_t operator()(std::int32_t a, std::int32_t b) const {
    const std::int64_t sum = std::int64_t{a} - b;
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(sum, INT32_MIN, INT32_MAX));
  }
};

template <class T>
void multiply_wide(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<Wider<T>>(i.d);
  const T* a = w.reg<T>(i.a);
  const T* b = w.reg<T>(i.b);
  each_lane(lanes,
            [=](int l) { d[l] = static_cast<Wider<T>>(a[l]) * static_cast<Wider<T>>(b[l]); });
}
template <class T>
void multiply_add_wide(Warp& w, const Instruction& i, std::uint32_t lanes) {
  auto* d = w.reg<Wider<T>>(i.d);
  const T* a = w.reg<T>(i.a);
  const T* b = w.reg<T>(i.b);
  const auto* c = w.reg<std::make_unsigned_t<Wider<T>>>(i.c);
  each_lane(lanes, [=](int l) {
    const auto product = static_cast<Wider<T>>(a[l]) * static_cast<Wider<T>>(b[l]);
    d[l] = static_cast<Wider<T>>(static_cast<std::make_unsigned_t<Wider<T>>>(product) + c[l]);
  });
}

// add.cc, addc.cc, sub.cc, subc.cc: flags bit 0 uses the carry, bit 1 sets it, bit 2 subtracts. The
// carry of a subtraction is its borrow.
template <class T>
void with_carry(Warp& w, const Instruction& i, std::uint32_t lanes) {
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  const T* b = w.reg<T>(i.b);
  for (std::uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const int l = std::countr_zero(rest);
    const unsigned in = (i.flags & 1U) != 0 ? (w.carry >> static_cast<unsigned>(l)) & 1U : 0;
    T result = 0;
    bool out = false;
    if ((i.flags & 4U) != 0) {
      out = __builtin_sub_overflow(a[l], b[l], &result);
      out |= __builtin_sub_overflow(result, static_cast<T>(in), &result);
    } else {
      out = __builtin_add_overflow(a[l], b[l], &result);
      out |= __builtin_add_overflow(result, static_cast<T>(in), &result);
    }
    d[l] = result;
    if ((i.flags & 2U) != 0)
      w.carry =
          (w.carry & ~(1U << l)) | (static_cast<std::uint32_t>(out) << static_cast<unsigned>(l));
  }
}

// ---- Decoding ----

// make(T{}) for the integer type, or nothing.
template <class Make>
Handler by_integer(Type type, Make&& make) {
  switch (type) {
    case Type::u16:
      return make(std::uint16_t{});
    case Type::s16:
      return make(std::int16_t{});
    case Type::u32:
      return make(std::uint32_t{});
    case Type::s32:
      return make(std::int32_t{});
    case Type::u64:
      return make(std::uint64_t{});
    case Type::s64:
      return make(std::int64_t{});
    default:
      return nullptr;
  }
}

// Arithmetic that wraps is done without signs.
template <class F>
Handler wrapping_binary(Type type) {
  return by_integer(type, []<class T>(T) -> Handler { return binary<std::make_unsigned_t<T>, F>; });
}
template <class F>
Handler integer_binary(Type type) {
  return by_integer(type, []<class T>(T) -> Handler { return binary<T, F>; });
}

template <class F>
Handler add_like(Decoding& d) {
  const Rounding r = take_rounding(d);
  const bool carry_out = d.take("cc");
  const Type type = d.type();
  d.plain(type);
  if (d.operands() != 3) return nullptr;
  if (carry_out) {
    d.out.flags = 2U | (std::is_same_v<F, Subtract> ? 4U : 0U);
    return bytes_of(type) == 8 ? with_carry<std::uint64_t> : with_carry<std::uint32_t>;
  }
  if (type == Type::f32) return float_binary<F>(r);
  if (type == Type::f64) return in_mode<binary<double, F>>(r.mode);
  if (is_float(type)) {
    if (r.mode != FE_TONEAREST || r.flush) return nullptr;
    return r.saturate ? pick_16<Through<Saturated<F>>>(type) : pick_16<Through<F>>(type);
  }
  if (r.saturate)
    return type == Type::s32
               ? binary<std::int32_t, std::conditional_t<std::is_same_v<F, Subtract>,
                                                         SubtractSaturated, AddSaturated>>
               : nullptr;
  return wrapping_binary<F>(type);
}

template <bool subtract>
Handler add_with_carry(Decoding& d) {
  d.out.flags = static_cast<std::uint8_t>(1U | (d.take("cc") ? 2U : 0U) | (subtract ? 4U : 0U));
  const Type type = d.type();
  d.plain(type);
  return bytes_of(type) == 8 ? with_carry<std::uint64_t> : with_carry<std::uint32_t>;
}

Type widened(Type type) {
  switch (type) {
    case Type::u16:
      return Type::u32;
    case Type::s16:
      return Type::s32;
    case Type::u32:
      return Type::u64;
    case Type::s32:
      return Type::s64;
    default:
      return Type::none;
  }
}

Handler decode_mul(Decoding& d) {
  if (d.take("wide")) {
    const Type type = d.type();
    d.out.d = d.destination(0, widened(type));
    d.out.a = d.source(1, type);
    d.out.b = d.source(2, type);
    switch (type) {
      case Type::u16:
        return multiply_wide<std::uint16_t>;
      case Type::s16:
        return multiply_wide<std::int16_t>;
      case Type::u32:
        return multiply_wide<std::uint32_t>;
      case Type::s32:
        return multiply_wide<std::int32_t>;
      default:
        return nullptr;
    }
  }
  const bool high = d.take("hi");
  if (!high && !d.take("lo")) return add_like<Multiply>(d);
  const Type type = d.type();
  d.plain(type);
  return high ? integer_binary<MultiplyHigh>(type) : wrapping_binary<Multiply>(type);
}

Handler decode_fma(Decoding& d);

Handler decode_mad(Decoding& d) {
  if (d.take("wide")) {
    const Type type = d.type();
    d.out.d = d.destination(0, widened(type));
    d.out.a = d.source(1, type);
    d.out.b = d.source(2, type);
    d.out.c = d.source(3, widened(type));
    switch (type) {
      case Type::u16:
        return multiply_add_wide<std::uint16_t>;
      case Type::s16:
        return multiply_add_wide<std::int16_t>;
      case Type::u32:
        return multiply_add_wide<std::uint32_t>;
      case Type::s32:
        return multiply_add_wide<std::int32_t>;
      default:
        return nullptr;
    }
  }
  const bool high = d.take("hi");
  if (!high && !d.take("lo")) return decode_fma(d);
  const Type type = d.type();
  d.plain(type);
  if (high)
    return by_integer(type, []<class T>(T) -> Handler { return ternary<T, MultiplyHighAdd>; });
  return by_integer(
      type, []<class T>(T) -> Handler { return ternary<std::make_unsigned_t<T>, MultiplyAdd>; });
}

Handler decode_fma(Decoding& d) {
  const Rounding r = take_rounding(d);
  const bool relu = d.take("relu");
  const Type type = d.type();
  d.plain(type);
  if (d.operands() != 4) return nullptr;
  if (relu) return r.flush || r.saturate ? nullptr : pick_16_ternary<FmaRelu>(type);
  if (type == Type::f32) return float_ternary<Fma>(r);
  if (type == Type::f64) return in_mode<ternary<double, Fma>>(r.mode);
  return r.flush || r.saturate || r.mode != FE_TONEAREST ? nullptr : pick_16_ternary<Fma>(type);
}

Handler decode_div(Decoding& d) {
  const bool loose = d.take("approx") || d.take("full");
  const Rounding r = take_rounding(d);
  const Type type = d.type();
  d.plain(type);
  if (type == Type::f32) return float_binary<Divide>(r);
  if (type == Type::f64 && !loose) return in_mode<binary<double, Divide>>(r.mode);
  return integer_binary<IntegerDivide>(type);
}

Handler decode_rem(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return integer_binary<Remainder>(type);
}

template <class F>
Handler min_max(Decoding& d) {
  const bool flush = d.take("ftz");
  const bool nan = d.take("NaN");
  const Type type = d.type();
  d.plain(type);
  if (d.operands() != 3) return nullptr;
  if (type == Type::f32)
    return nan ? float_binary<NanWins<F>>({.flush = flush}) : float_binary<F>({.flush = flush});
  if (flush) return nullptr;
  if (type == Type::f64) return binary<double, F>;
  if (is_float(type)) return nan ? pick_16<Through<NanWins<F>>>(type) : pick_16<Through<F>>(type);
  return nan ? nullptr : integer_binary<F>(type);
}

constexpr OpcodeRow kOpcodes[] = {{"add", add_like<Add>},
                                  {"sub", add_like<Subtract>},
                                  {"addc", add_with_carry<false>},
                                  {"subc", add_with_carry<true>},
                                  {"mul", decode_mul},
                                  {"mad", decode_mad},
                                  {"fma", decode_fma},
                                  {"div", decode_div},
                                  {"rem", decode_rem},
                                  {"min", min_max<Minimum>},
                                  {"max", min_max<Maximum>}};

}  // namespace

std::span<const OpcodeRow> arithmetic_opcodes() {
  return kOpcodes;
}

}  // namespace vgpu
