// Functions of one number: neg, abs, rcp, sqrt, rsqrt, ex2, lg2, sin, cos, tanh; and copysign.

#include <cmath>
#include <type_traits>

#include "ops/handlers.h"

namespace vgpu {
namespace {

template <class T>
constexpr bool is_16_bits = std::is_same_v<T, Half> || std::is_same_v<T, Bfloat>;

using Negate = decltype([]<class T>(T a) {
  if constexpr (is_16_bits<T>)
    return T{static_cast<std::uint16_t>(a.bits ^ 0x8000U)};
  else
    return static_cast<T>(-a);
});
using Absolute = decltype([]<class T>(T a) {
  if constexpr (is_16_bits<T>)
    return T{static_cast<std::uint16_t>(a.bits & 0x7FFFU)};
  else if constexpr (std::is_floating_point_v<T>)
    return std::fabs(a);
  else
    return a < 0 ? static_cast<T>(-a) : a;
});
using Reciprocal = decltype([]<class T>(T a) { return T{1} / a; });
using SquareRoot = decltype([](auto a) { return std::sqrt(a); });

using CopySign = decltype([](auto a, auto b) { return std::copysign(b, a); });  // b with a's sign

// The approximations of the device are within about 2 ulp; these are within one.
using ReciprocalSquareRoot = decltype([]<class T>(T a) {
  return static_cast<T>(1.0 / std::sqrt(double{a}));
});
using Exp2 = decltype([](float a) { return static_cast<float>(std::exp2(double{a})); });
using Log2 = decltype([](float a) { return static_cast<float>(std::log2(double{a})); });
using Sine = decltype([](float a) { return static_cast<float>(std::sin(double{a})); });
using Cosine = decltype([](float a) { return static_cast<float>(std::cos(double{a})); });
using Tanh = decltype([](float a) { return static_cast<float>(std::tanh(double{a})); });

template <class F>
Handler sign_change(Decoding& d) {
  const bool flush = d.take("ftz");
  const Type type = d.type();
  d.plain(type);
  if (type == Type::f32) return on_floats<1, F>({.flush = flush});
  if (flush) return nullptr;
  if (is_float(type) && type != Type::f64) return pick_16<1, F>(type);
  return by_type<double, std::int16_t, std::int32_t, std::int64_t>(
      type, []<class T>() -> Handler { return unary<T, F>; });
}

template <class F>
Handler float_function(Decoding& d) {  // rcp, sqrt, rsqrt
  d.take("approx");
  const Rounding r = take_rounding(d);
  const Type type = d.type();
  d.plain(type);
  if (r.saturate) return nullptr;
  if (type == Type::f32) return on_floats<1, F>(r);
  return type == Type::f64 ? in_mode<unary<double, F>>(r.mode) : nullptr;
}

template <class F>
Handler approximation(Decoding& d) {  // ex2, lg2, sin, cos, tanh
  if (!d.take("approx")) return nullptr;
  const bool flush = d.take("ftz");
  const Type type = d.type();
  d.plain(type);
  return type == Type::f32 ? on_floats<1, F>({.flush = flush}) : pick_16<1, Through<F>>(type);
}

Handler decode_copysign(Decoding& d) {
  const Type type = d.type();
  d.plain(type);
  return by_type<float, double>(type, []<class T>() -> Handler { return binary<T, CopySign>; });
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
