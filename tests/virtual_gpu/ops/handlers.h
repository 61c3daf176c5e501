#pragma once
// Makes handlers of functors: over the lanes, by type, in a rounding mode, for 16-bit floats and pairs.

#include <cfenv>
#include <type_traits>

#include "ops/arithmetic.h"
#include "ptx/decoder.h"

namespace vgpu {

// d ← F of the first one, two or three of a, b and c.
template <int sources, class F, class D, class A, class B = A, class C = A>
void apply(Warp& w, const Instruction& i, std::uint32_t lanes) {
  D* d = w.reg<D>(i.d);
  const A* a = w.reg<A>(i.a);
  const B* b = w.reg<B>(i.b);
  const C* c = w.reg<C>(i.c);
  each_lane(lanes, [=](int l) {
    if constexpr (sources == 1)
      d[l] = F{}(a[l]);
    else if constexpr (sources == 2)
      d[l] = F{}(a[l], b[l]);
    else
      d[l] = F{}(a[l], b[l], c[l]);
  });
}
template <class T, class F>
constexpr Handler unary = apply<1, F, T, T>;
template <class T, class F>
constexpr Handler binary = apply<2, F, T, T>;
template <class T, class F>
constexpr Handler ternary = apply<3, F, T, T>;

// Whether a register of `type` holds a T. Bits without a type (b8 … b64) are unsigned integers.
template <class T>
constexpr bool is_held_by(Type type) {
  if (std::is_same_v<T, Half>) return type == Type::f16;
  if (std::is_same_v<T, Half2>) return type == Type::f16x2;
  if (std::is_same_v<T, Bfloat>) return type == Type::bf16;
  if (std::is_same_v<T, Bfloat2>) return type == Type::bf16x2;
  if (std::is_same_v<T, float>) return type == Type::f32;
  if (std::is_same_v<T, double>) return type == Type::f64;
  if (std::is_signed_v<T>) return type == sized(Type::s8, sizeof(T));
  return type == sized(Type::u8, sizeof(T)) || type == sized(Type::b8, sizeof(T));
}

// make<T>() for the one of these T that `type` means; nullptr if there is none.
template <class... T, class Make>
Handler by_type(Type type, Make make) {
  Handler handler = nullptr;
  ((is_held_by<T>(type) && (handler = make.template operator()<T>(), true)) || ...);
  return handler;
}
template <class Make>
Handler by_integer(Type type, Make make) {
  return by_type<std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, std::uint64_t,
                 std::int64_t>(type, make);
}
template <class Make>
Handler by_bits(Type type, Make make) {
  return by_type<std::uint16_t, std::uint32_t, std::uint64_t>(type, make);
}

// A handler under another rounding mode of the host. The calls keep the compiler from moving the
// arithmetic out from between them: it works on memory that they might change.
template <Handler handler, int mode>
void rounded(Warp& w, const Instruction& i, std::uint32_t lanes) {
  std::fesetround(mode);
  handler(w, i, lanes);
  std::fesetround(FE_TONEAREST);
}

// F on 16-bit floats and on pairs of them.
template <class F>
struct Through {  // through float, rounded once more
  template <class T, class... Rest>
  T operator()(T a, Rest... rest) const {
    return from_float<T>(F{}(to_float(a), to_float(rest)...));
  }
};
template <class F>
struct Both {
  template <class T, class... Rest>
  Pair<T> operator()(Pair<T> a, Rest... rest) const {
    return {F{}(a.low, rest.low...), F{}(a.high, rest.high...)};
  }
};

template <int sources, class F>
Handler pick_16(Type type) {  // F takes Half or Bfloat
  return by_type<Half, Bfloat, Half2, Bfloat2>(type, []<class T>() -> Handler {
    return apply<sources, std::conditional_t<sizeof(T) == 2, F, Both<F>>, T, T>;
  });
}

// Where and how a floating-point operation rounds.
struct Rounding {
  int mode = FE_TONEAREST;
  bool flush = false, saturate = false;
};
// Takes .rn, .rz, .rm, .rp, .ftz and .sat.
inline Rounding take_rounding(Decoding& d) {
  Rounding r;
  if (d.take("rz"))
    r.mode = FE_TOWARDZERO;
  else if (d.take("rm"))
    r.mode = FE_DOWNWARD;
  else if (d.take("rp"))
    r.mode = FE_UPWARD;
  else
    d.take("rn");
  r.flush = d.take("ftz");
  r.saturate = d.take("sat");
  return r;
}

template <Handler handler>
Handler in_mode(int mode) {
  switch (mode) {
    case FE_TOWARDZERO:
      return rounded<handler, FE_TOWARDZERO>;
    case FE_DOWNWARD:
      return rounded<handler, FE_DOWNWARD>;
    case FE_UPWARD:
      return rounded<handler, FE_UPWARD>;
    default:
      return handler;
  }
}

template <int sources, class F>
Handler on_floats(const Rounding& r) {
  if (r.flush && r.saturate)
    return in_mode<apply<sources, Saturated<Flushed<F>>, float, float>>(r.mode);
  if (r.flush) return in_mode<apply<sources, Flushed<F>, float, float>>(r.mode);
  if (r.saturate) return in_mode<apply<sources, Saturated<F>, float, float>>(r.mode);
  return in_mode<apply<sources, F, float, float>>(r.mode);
}

}  // namespace vgpu
