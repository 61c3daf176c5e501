// Functions of one number: neg, abs, copysign, rcp, sqrt, rsqrt, ex2, lg2, sin, cos, tanh.

#include <cmath>
#include <type_traits>

#include "decoder.h"
#include "handlers.h"

namespace vgpu {
namespace {

struct Negate {
  template <class T>
  T operator()(T a) const {
    return static_cast<T>(-a);
  }
  Half operator()(Half a) const { return {static_cast<std::uint16_t>(a.bits ^ 0x8000U)}; }
  Bfloat operator()(Bfloat a) const { return {static_cast<std::uint16_t>(a.bits ^ 0x8000U)}; }
};
struct Absolute {
  template <class T>
  T operator()(T a) const {
    if constexpr (std::is_floating_point_v<T>)
      return std::fabs(a);
    else
      return a < 0 ? static_cast<T>(-a) : a;
  }
  Half operator()(Half a) const { return {static_cast<std::uint16_t>(a.bits & 0x7FFFU)}; }
  Bfloat operator()(Bfloat a) const { return {static_cast<std::uint16_t>(a.bits & 0x7FFFU)}; }
};

struct Reciprocal {
  template <class T>
  T operator()(T a) const {
    return T{1} / a;
  }
};
struct SquareRoot {
  template <class T>
  T operator()(T a) const {
    return std::sqrt(a);
  }
};
// The approximations of the device are within about 2 ulp; these are within one.
struct ReciprocalSquareRoot {
  float operator()(float a) const { return static_cast<float>(1.0 / std::sqrt(double{a})); }
  double operator()(double a) const { return 1.0 / std::sqrt(a); }
};
struct Exp2 {
  float operator()(float a) const { return static_cast<float>(std::exp2(double{a})); }
};
struct Log2 {
  float operator()(float a) const { return static_cast<float>(std::log2(double{a})); }
};
struct Sine {
  float operator()(float a) const { return static_cast<float>(std::sin(double{a})); }
};
struct Cosine {
  float operator()(float a) const { return static_cast<float>(std::cos(double{a})); }
};
struct Tanh {
  float operator()(float a) const { return static_cast<float>(std::tanh(double{a})); }
};
struct CopySign {  // the sign of a, the size of b
  template <class T>
  T operator()(T a, T b) const {
    return std::copysign(b, a);
  }
};

template <class F>
Handler sign_change(Decoding& d) {
  const bool flush = d.take("ftz");
  const Type type = d.type();
  d.plain(type);
  switch (type) {
    case Type::f32:
      return float_unary<F>({.flush = flush});
    case Type::f64:
      return unary<double, F>;
    case Type::s16:
      return unary<std::int16_t, F>;
    case Type::s32:
      return unary<std::int32_t, F>;
    case Type::s64:
      return unary<std::int64_t, F>;
    default:
      return flush ? nullptr : pick_16_unary<F>(type);
  }
}

template <class F>
Handler float_function(Decoding& d) {  // rcp, sqrt, rsqrt
  d.take("approx");
  const Rounding r = take_rounding(d);
  const Type type = d.type();
  d.plain(type);
  if (type == Type::f32) return float_unary<F>(r);
  return type == Type::f64 ? in_mode<unary<double, F>>(r.mode) : nullptr;
}

template <class F>
Handler approximation(Decoding& d) {  // ex2, lg2, sin, cos, tanh
  if (!d.take("approx")) return nullptr;
  const bool flush = d.take("ftz");
  const Type type = d.type();
  d.plain(type);
  return type == Type::f32 ? float_unary<F>({.flush = flush}) : pick_16_unary<Through<F>>(type);
}

Handler decode_copysign(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  if (type == Type::f32) return binary<float, CopySign>;
  return type == Type::f64 ? binary<double, CopySign> : nullptr;
}

constexpr OpcodeRow kOpcodes[] = {{"neg", sign_change<Negate>},
                                  {"abs", sign_change<Absolute>},
                                  {"rcp", float_function<Reciprocal>},
                                  {"sqrt", float_function<SquareRoot>},
                                  {"rsqrt", float_function<ReciprocalSquareRoot>},
                                  {"ex2", approximation<Exp2>},
                                  {"lg2", approximation<Log2>},
                                  {"sin", approximation<Sine>},
                                  {"cos", approximation<Cosine>},
                                  {"tanh", approximation<Tanh>},
                                  {"copysign", decode_copysign}};

}  // namespace

std::span<const OpcodeRow> function_opcodes() {
  return kOpcodes;
}

}  // namespace vgpu
