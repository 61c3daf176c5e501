#pragma once
// What makes handlers out of functors: over the lanes, in a rounding mode, for 16-bit floats and
// pairs.

#include <cfenv>

#include "arithmetic.h"
#include "decoder.h"

namespace vgpu {

template <class T, class F>
void unary(Warp& w, const Instruction& i, std::uint32_t lanes) {
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  each_lane(lanes, [=](int l) { d[l] = F{}(a[l]); });
}

template <class T, class F>
void binary(Warp& w, const Instruction& i, std::uint32_t lanes) {
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  const T* b = w.reg<T>(i.b);
  each_lane(lanes, [=](int l) { d[l] = F{}(a[l], b[l]); });
}

template <class T, class F>
void ternary(Warp& w, const Instruction& i, std::uint32_t lanes) {
  T* d = w.reg<T>(i.d);
  const T* a = w.reg<T>(i.a);
  const T* b = w.reg<T>(i.b);
  const T* c = w.reg<T>(i.c);
  each_lane(lanes, [=](int l) { d[l] = F{}(a[l], b[l], c[l]); });
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

template <class F>
Handler pick_16(Type type) {  // F takes Half or Bfloat
  switch (type) {
    case Type::f16:
      return binary<Half, F>;
    case Type::bf16:
      return binary<Bfloat, F>;
    case Type::f16x2:
      return binary<Half2, Both<F>>;
    case Type::bf16x2:
      return binary<Bfloat2, Both<F>>;
    default:
      return nullptr;
  }
}
template <class F>
Handler pick_16_unary(Type type) {
  switch (type) {
    case Type::f16:
      return unary<Half, F>;
    case Type::bf16:
      return unary<Bfloat, F>;
    case Type::f16x2:
      return unary<Half2, Both<F>>;
    case Type::bf16x2:
      return unary<Bfloat2, Both<F>>;
    default:
      return nullptr;
  }
}
template <class F>
Handler pick_16_ternary(Type type) {
  switch (type) {
    case Type::f16:
      return ternary<Half, F>;
    case Type::bf16:
      return ternary<Bfloat, F>;
    case Type::f16x2:
      return ternary<Half2, Both<F>>;
    case Type::bf16x2:
      return ternary<Bfloat2, Both<F>>;
    default:
      return nullptr;
  }
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

template <class F>
Handler float_binary(const Rounding& r) {
  if (r.flush && r.saturate) return in_mode<binary<float, Saturated<Flushed<F>>>>(r.mode);
  if (r.flush) return in_mode<binary<float, Flushed<F>>>(r.mode);
  if (r.saturate) return in_mode<binary<float, Saturated<F>>>(r.mode);
  return in_mode<binary<float, F>>(r.mode);
}
template <class F>
Handler float_ternary(const Rounding& r) {
  if (r.flush && r.saturate) return in_mode<ternary<float, Saturated<Flushed<F>>>>(r.mode);
  if (r.flush) return in_mode<ternary<float, Flushed<F>>>(r.mode);
  if (r.saturate) return in_mode<ternary<float, Saturated<F>>>(r.mode);
  return in_mode<ternary<float, F>>(r.mode);
}
template <class F>
Handler float_unary(const Rounding& r) {
  if (r.saturate) return nullptr;
  return r.flush ? in_mode<unary<float, Flushed<F>>>(r.mode) : in_mode<unary<float, F>>(r.mode);
}

}  // namespace vgpu
