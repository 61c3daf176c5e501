// Each form of instruction against the host's arithmetic, over edge cases and random bits.

#include <bit>
#include <cfenv>
#include <cmath>
#include <limits>

#include "support.cuh"

namespace {

template <class T>
std::vector<T> edge_values() {
  std::vector<T> values;
  if constexpr (std::is_floating_point_v<T>) {
    using L = std::numeric_limits<T>;
    for (const double v : {0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 3.14159, 1e10, -1e10, 65504.0,
                           70000.0, 1e-30, 127.9, -128.5})
      values.push_back(static_cast<T>(v));
    for (const T v : {L::infinity(), -L::infinity(), L::quiet_NaN(), L::min(), -L::min(),
                      L::denorm_min(), L::min() / 4, L::max(), L::lowest()})
      values.push_back(v);
  } else {
    for (const std::uint64_t v : {0, 1, 2, 7, 31, 32, 33, 63, 64, 0x8000, 0xFFFF})
      values.push_back(static_cast<T>(v));
    for (const std::uint64_t v : {~std::uint64_t{0}, std::uint64_t{0x5555555555555555}})
      values.push_back(static_cast<T>(v));
    values.push_back(std::numeric_limits<T>::max());
    values.push_back(std::numeric_limits<T>::min());
  }
  return values;
}

// All pairs of edge values, then random bits; for floats the exponents are kept moderate in half of
// them.
template <class T>
std::vector<T> samples(unsigned seed, std::size_t count) {
  std::vector<T> values;
  const auto edges = edge_values<T>();
  for (std::size_t n = 0; n < edges.size() * edges.size(); ++n)
    values.push_back(edges[seed == 1 ? n % edges.size()
                                     : (seed == 2 ? n / edges.size() : (n * 7) % edges.size())]);
  std::mt19937_64 engine(seed);
  while (values.size() < count) {
    const std::uint64_t bits = engine();
    T value;
    std::memcpy(&value, &bits, sizeof value);
    if constexpr (std::is_floating_point_v<T>)
      if (values.size() % 2 == 0)
        value = static_cast<T>(static_cast<std::int64_t>(bits)) * T(1e-18);
    values.push_back(value);
  }
  return values;
}

template <class Op, class D, class A, class B, class C>
__global__ void apply(D* d, const A* a, const B* b, const C* c, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) d[i] = Op::device(a[i], b[i], c[i]);
}

template <class T>
std::uint64_t bits_of(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
std::int64_t ulp_distance(T a, T b) {
  if constexpr (!std::is_floating_point_v<T>) {
    return bits_of(a) == bits_of(b) ? 0 : std::numeric_limits<std::int64_t>::max();
  } else {
    if (a != a || b != b)
      return (a != a) == (b != b) ? 0 : std::numeric_limits<std::int64_t>::max();
    const auto ordered = [](T v) {
      std::int64_t bits = static_cast<std::int64_t>(bits_of(v));
      const std::int64_t sign = std::int64_t{1} << (8 * sizeof(T) - 1);
      return (bits & sign) != 0 ? -(bits & ~sign) : bits;
    };
    return bits_of(a) == bits_of(b) ? 0
                                    : std::max<std::int64_t>(std::abs(ordered(a) - ordered(b)), 1);
  }
}

// Op::device against Op::host.
template <class Op, class D, class A, class B, class C>
void expect_same(std::int64_t ulps = 0) {
  constexpr std::size_t count = 3000;
  const auto a = samples<A>(1, count);
  const auto b = samples<B>(2, count);
  const auto c = samples<C>(3, count);
  const DeviceArray<A> da(a);
  const DeviceArray<B> db(b);
  const DeviceArray<C> dc(c);
  const DeviceArray<D> dd(count);
  apply<Op><<<(count + 127) / 128, 128>>>(dd.get(), da.get(), db.get(), dc.get(), int{count});
  CHECKED(cudaDeviceSynchronize());
  const auto got = dd.host();
  for (std::size_t n = 0; n < count; ++n) {
    const D want = Op::host(a[n], b[n], c[n]);
    ASSERT_LE(ulp_distance(got[n], want), ulps)
        << "sample " << n << ": " << +a[n] << ", " << +b[n] << ", " << +c[n] << " gave " << +got[n]
        << " (0x" << std::hex << bits_of(got[n]) << "), not " << +want << " (0x" << bits_of(want)
        << ")";
  }
}

using s16 = std::int16_t;
using s32 = std::int32_t;
using s64 = std::int64_t;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

// The constraint letters of inline assembly.
#define K_u16 "h"
#define K_s16 "h"
#define K_u32 "r"
#define K_s32 "r"
#define K_u64 "l"
#define K_s64 "l"
#define K_float "f"
#define K_double "d"

#define OP3(name, D, A, B, C, text, ...)                                              \
  struct name {                                                                       \
    static __device__ D device(A a, B b, C c) {                                       \
      D d;                                                                            \
      asm volatile(text : "=" K_##D(d) : K_##A(a), K_##B(b), K_##C(c));               \
      return d;                                                                       \
    }                                                                                 \
    static D host([[maybe_unused]] A a, [[maybe_unused]] B b, [[maybe_unused]] C c) { \
      return static_cast<D>(__VA_ARGS__);                                             \
    }                                                                                 \
  };                                                                                  \
  TEST(Opcode, name) {                                                                \
    expect_same<name, D, A, B, C>();                                                  \
  }

#define UNARY(name, D, A, ptx, ...) OP3(name, D, A, A, A, ptx " %0, %1;", __VA_ARGS__)
#define BINARY(name, T, ptx, ...) OP3(name, T, T, T, T, ptx " %0, %1, %2;", __VA_ARGS__)
#define TERNARY(name, T, ptx, ...) OP3(name, T, T, T, T, ptx " %0, %1, %2, %3;", __VA_ARGS__)

template <class F>
auto in_mode(int mode, F&& f) {
  std::fesetround(mode);
  volatile auto result = f();
  std::fesetround(FE_TONEAREST);
  return static_cast<float>(result);
}
float flush(float x) {
  return std::fabs(x) < 1.17549435e-38F ? std::copysign(0.0F, x) : x;
}
float sat(float x) {
  return x > 0 ? (x < 1 ? x : 1.0F) : 0.0F;
}

// Integers
BINARY(add_s32, s32, "add.s32", u32(a) + u32(b))
BINARY(add_s64, s64, "add.s64", u64(a) + u64(b))
BINARY(add_u16, u16, "add.u16", a + b)
BINARY(add_sat_s32, s32, "add.sat.s32",
       std::min<s64>(INT32_MAX, std::max<s64>(INT32_MIN, s64(a) + b)))
BINARY(sub_s32, s32, "sub.s32", u32(a) - u32(b))
BINARY(sub_s64, s64, "sub.s64", u64(a) - u64(b))
BINARY(mul_lo_s16, s16, "mul.lo.s16", u32(a) * u32(b))
BINARY(mul_lo_s32, s32, "mul.lo.s32", u32(a) * u32(b))
BINARY(mul_lo_s64, s64, "mul.lo.s64", u64(a) * u64(b))
BINARY(mul_hi_s32, s32, "mul.hi.s32", (s64(a) * b) >> 32)
BINARY(mul_hi_u32, u32, "mul.hi.u32", (u64(a) * b) >> 32)
BINARY(mul_hi_u64, u64, "mul.hi.u64", static_cast<unsigned __int128>(a) * b >> 64)
BINARY(mul_hi_s64, s64, "mul.hi.s64", static_cast<__int128>(a) * b >> 64)
OP3(mul_wide_s32, s64, s32, s32, s32, "mul.wide.s32 %0, %1, %2;", s64(a) * b)
OP3(mul_wide_u32, u64, u32, u32, u32, "mul.wide.u32 %0, %1, %2;", u64(a) * b)
OP3(mul_wide_u16, u32, u16, u16, u16, "mul.wide.u16 %0, %1, %2;", u32(a) * b)
TERNARY(mad_lo_s32, s32, "mad.lo.s32", u32(a) * u32(b) + u32(c))
TERNARY(mad_lo_s64, s64, "mad.lo.s64", u64(a) * u64(b) + u64(c))
TERNARY(mad_hi_u32, u32, "mad.hi.u32", u32((u64(a) * b) >> 32) + c)
OP3(mad_wide_u32, u64, u32, u32, u64, "mad.wide.u32 %0, %1, %2, %3;", u64(a) * b + c)
OP3(mad_wide_s32, s64, s32, s32, s64, "mad.wide.s32 %0, %1, %2, %3;", u64(s64(a) * b) + u64(c))
template <class T>
T divided(T a, T b) {
  if (b == 0) return static_cast<T>(~T{0});
  if (std::is_signed_v<T> && b == T(-1)) return static_cast<T>(u64{0} - static_cast<u64>(a));
  return a / b;
}
template <class T>
T remainder_of(T a, T b) {
  if (b == 0) return a;
  return std::is_signed_v<T> && b == T(-1) ? T{0} : static_cast<T>(a % b);
}
BINARY(div_s32, s32, "div.s32", divided(a, b))
BINARY(div_u32, u32, "div.u32", divided(a, b))
BINARY(div_s64, s64, "div.s64", divided(a, b))
BINARY(rem_s32, s32, "rem.s32", remainder_of(a, b))
BINARY(rem_u64, u64, "rem.u64", remainder_of(a, b))
BINARY(min_s32, s32, "min.s32", std::min(a, b))
BINARY(max_u32, u32, "max.u32", std::max(a, b))
BINARY(max_s64, s64, "max.s64", std::max(a, b))
UNARY(neg_s32, s32, s32, "neg.s32", u32{0} - u32(a))
UNARY(abs_s64, s64, s64, "abs.s64", a < 0 ? u64{0} - u64(a) : u64(a))

// Bits
BINARY(and_b32, u32, "and.b32", a& b)
BINARY(or_b64, u64, "or.b64", a | b)
BINARY(xor_b16, u16, "xor.b16", a ^ b)
UNARY(not_b32, u32, u32, "not.b32", ~a)
OP3(shl_b32, u32, u32, u32, u32, "shl.b32 %0, %1, %2;", b > 31 ? 0 : a << b)
OP3(shl_b64, u64, u64, u32, u32, "shl.b64 %0, %1, %2;", b > 63 ? 0 : a << b)
OP3(shr_u32, u32, u32, u32, u32, "shr.u32 %0, %1, %2;", b > 31 ? 0 : a >> b)
OP3(shr_s32, s32, s32, u32, u32, "shr.s32 %0, %1, %2;", a >> std::min(b, 31U))
OP3(shr_s64, s64, s64, u32, u32, "shr.s64 %0, %1, %2;", a >> std::min(b, 63U))
OP3(shf_l_wrap, u32, u32, u32, u32, "shf.l.wrap.b32 %0, %1, %2, %3;",
    ((u64(b) << 32 | a) << (c & 31)) >> 32)
OP3(shf_r_wrap, u32, u32, u32, u32, "shf.r.wrap.b32 %0, %1, %2, %3;",
    (u64(b) << 32 | a) >> (c & 31))
OP3(shf_r_clamp, u32, u32, u32, u32, "shf.r.clamp.b32 %0, %1, %2, %3;",
    (u64(b) << 32 | a) >> std::min(c, 32U))
TERNARY(lop3_xor_and, u32, "{.reg .u32 t; lop3.b32 t, %1, %2, %3, 0x6A; mov.u32 %0, t;} //",
        (a & b) ^ c)
OP3(lop3_majority, u32, u32, u32, u32, "lop3.b32 %0, %1, %2, %3, 0xE8;",
    (a & b) | (a & c) | (b & c))
u32 permuted(u32 a, u32 b, u32 c) {
  const u64 bytes = u64(b) << 32 | a;
  u32 result = 0;
  for (int n = 0; n < 4; ++n) {
    const u32 selector = c >> (4 * n) & 15;
    u32 byte = bytes >> (8 * (selector & 7)) & 0xFF;
    if (selector & 8) byte = byte & 0x80 ? 0xFF : 0;
    result |= byte << (8 * n);
  }
  return result;
}
TERNARY(prmt_b32, u32, "prmt.b32", permuted(a, b, c))
template <class T>
T extracted(T a, u32 start, u32 length) {
  constexpr int width = 8 * sizeof(T);
  T result = 0;
  const int top =
      std::min<int>(static_cast<int>(start & 255) + static_cast<int>(length & 255) - 1, width - 1);
  const bool sign =
      std::is_signed_v<T> && (length & 255) != 0 && (static_cast<u64>(a) >> top & 1) != 0;
  for (int n = 0; n < width; ++n) {
    const int from = n + static_cast<int>(start & 255);
    const bool bit = n < static_cast<int>(length & 255) && from < width
                         ? (static_cast<u64>(a) >> from & 1) != 0
                         : sign;
    result = static_cast<T>(result | static_cast<T>(static_cast<u64>(bit) << n));
  }
  return result;
}
OP3(bfe_u32, u32, u32, u32, u32, "bfe.u32 %0, %1, %2, %3;", extracted(a, b, c))
OP3(bfe_s32, s32, s32, u32, u32, "bfe.s32 %0, %1, %2, %3;", extracted(a, b, c))
OP3(bfe_u64, u64, u64, u32, u32, "bfe.u64 %0, %1, %2, %3;", extracted(a, b, c))
OP3(bfi_b32, u32, u32, u32, u32, "bfi.b32 %0, %1, %2, %3, 7;",
    (c & 255) > 31 ? b : (b & ~(u32(0x7F) << (c & 255))) | ((a & 0x7F) << (c & 255)))
UNARY(popc_b32, u32, u32, "popc.b32", std::popcount(a))
UNARY(popc_b64, u32, u64, "popc.b64", std::popcount(a))
UNARY(clz_b32, u32, u32, "clz.b32", std::countl_zero(a))
UNARY(clz_b64, u32, u64, "clz.b64", std::countl_zero(a))
u32 reversed(u32 a) {
  u32 r = 0;
  for (int n = 0; n < 32; ++n) r |= (a >> n & 1) << (31 - n);
  return r;
}
UNARY(brev_b32, u32, u32, "brev.b32", reversed(a))

// float
BINARY(add_f32, float, "add.f32", a + b)
BINARY(add_rz_f32, float, "add.rz.f32", in_mode(FE_TOWARDZERO, [=]() -> float {
         volatile float x = a;
         return x + b;
       }))
BINARY(add_ftz_f32, float, "add.ftz.f32", flush(flush(a) + flush(b)))
BINARY(add_sat_f32, float, "add.sat.f32", sat(a + b))
BINARY(sub_f32, float, "sub.f32", a - b)
BINARY(mul_f32, float, "mul.f32", a* b)
BINARY(mul_rp_f32, float, "mul.rp.f32", in_mode(FE_UPWARD, [=]() -> float {
         volatile float x = a;
         return x * b;
       }))
TERNARY(fma_rn_f32, float, "fma.rn.f32", std::fma(a, b, c))
TERNARY(fma_rn_ftz_f32, float, "fma.rn.ftz.f32", flush(std::fma(flush(a), flush(b), flush(c))))
TERNARY(fma_rm_f32, float, "fma.rm.f32", in_mode(FE_DOWNWARD, [=]() -> float {
          volatile float x = a;
          return std::fma(x, b, c);
        }))
TERNARY(fma_rn_f64, double, "fma.rn.f64", std::fma(a, b, c))
BINARY(div_rn_f32, float, "div.rn.f32", a / b)
BINARY(div_rn_f64, double, "div.rn.f64", a / b)
UNARY(rcp_rn_f32, float, float, "rcp.rn.f32", 1.0F / a)
UNARY(sqrt_rn_f32, float, float, "sqrt.rn.f32", std::sqrt(a))
UNARY(sqrt_rn_f64, double, double, "sqrt.rn.f64", std::sqrt(a))
float minimum(float a, float b) {
  return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? a : b) : std::min(a, b);
}
float maximum(float a, float b) {
  return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? b : a) : std::max(a, b);
}
BINARY(min_f32, float, "min.f32", minimum(a, b))
BINARY(max_f32, float, "max.f32", maximum(a, b))
BINARY(max_nan_f32, float, "max.NaN.f32", a != a || b != b ? NAN : maximum(a, b))
UNARY(neg_f32, float, float, "neg.f32", -a)
UNARY(abs_f32, float, float, "abs.f32", std::fabs(a))
BINARY(copysign_f32, float, "copysign.f32", std::copysign(b, a))

// Approximations: within 2 ulp of the true value.
#define APPROXIMATION(name, ptx, ...)                                                    \
  struct name {                                                                          \
    static __device__ float device(float a, float, float) {                              \
      float d;                                                                           \
      asm volatile(ptx " %0, %1;" : "=f"(d) : "f"(a));                                   \
      return d;                                                                          \
    }                                                                                    \
    static float host(float a, float, float) { return static_cast<float>(__VA_ARGS__); } \
  };                                                                                     \
  TEST(Opcode, name) {                                                                   \
    expect_same<name, float, float, float, float>(2);                                    \
  }
APPROXIMATION(ex2_approx, "ex2.approx.f32", std::exp2(double{a}))
APPROXIMATION(ex2_approx_ftz, "ex2.approx.ftz.f32",
              flush(static_cast<float>(std::exp2(double{flush(a)}))))
APPROXIMATION(lg2_approx, "lg2.approx.f32", std::log2(double{a}))
APPROXIMATION(rsqrt_approx, "rsqrt.approx.f32", 1 / std::sqrt(double{a}))
APPROXIMATION(rcp_approx, "rcp.approx.ftz.f32", flush(1.0F / flush(a)))

// Comparisons, as 0 or 1
#define COMPARE(name, T, relation, ...)                                                         \
  OP3(name, u32, T, T, T, "{.reg .pred p; setp." relation " p, %1, %2; selp.u32 %0, 1, 0, p;}", \
      (__VA_ARGS__) ? 1 : 0)
COMPARE(setp_eq_f32, float, "eq.f32", a == b)
COMPARE(setp_ne_f32, float, "ne.f32", a<b || a> b)
COMPARE(setp_lt_f32, float, "lt.f32", a < b)
COMPARE(setp_ge_f32, float, "ge.f32", a >= b)
COMPARE(setp_equ_f32, float, "equ.f32", !(a < b || a > b))
COMPARE(setp_neu_f32, float, "neu.f32", a != b)
COMPARE(setp_ltu_f32, float, "ltu.f32", !(a >= b))
COMPARE(setp_leu_f32, float, "leu.f32", !(a > b))
COMPARE(setp_gtu_f32, float, "gtu.f32", !(a <= b))
COMPARE(setp_geu_f32, float, "geu.f32", !(a < b))
COMPARE(setp_num_f32, float, "num.f32", a == a && b == b)
COMPARE(setp_nan_f32, float, "nan.f32", a != a || b != b)
COMPARE(setp_lt_ftz_f32, float, "lt.ftz.f32", flush(a) < flush(b))
COMPARE(setp_gt_f64, double, "gt.f64", a > b)
COMPARE(setp_lt_s32, s32, "lt.s32", a < b)
COMPARE(setp_lt_u32, u32, "lt.u32", a < b)
COMPARE(setp_hs_u32, u32, "hs.u32", a >= b)
COMPARE(setp_le_s64, s64, "le.s64", a <= b)
COMPARE(setp_ne_b64, u64, "ne.b64", a != b)
COMPARE(setp_gt_u16, u16, "gt.u16", a > b)
OP3(setp_and_not, u32, s32, s32, s32,
    "{.reg .pred p, q; setp.lt.s32 q, %1, %3; setp.lt.and.s32 p, %1, %2, !q; selp.u32 %0, 1, 0, "
    "p;}",
    a < b && !(a < c) ? 1 : 0)
OP3(setp_both, u32, s32, s32, s32,
    "{.reg .pred p, q; .reg .u32 t, s; setp.lt.s32 p|q, %1, %2; selp.u32 t, 1, 0, p;"
    " selp.u32 s, 2, 0, q; or.b32 %0, t, s;}",
    a < b ? 1 : 2)
OP3(predicate_logic, u32, s32, s32, s32,
    "{.reg .pred p, q, r; setp.lt.s32 p, %1, %2; setp.lt.s32 q, %2, %3; xor.pred r, p, q; not.pred "
    "r, r;"
    " selp.u32 %0, 1, 0, r;}",
    (a < b) == (b < c) ? 1 : 0)
OP3(selp_f32, float, float, float, float,
    "{.reg .pred p; setp.gt.f32 p, %1, %2; selp.f32 %0, %3, %2, p;}", a > b ? c : b)

// Conversions
template <class To>
To to_int(double v, double whole) {
  if (v != v) return sizeof(To) == 8 ? static_cast<To>(u64{1} << 63) : To{0};
  if (whole <= static_cast<double>(std::numeric_limits<To>::min()))
    return std::numeric_limits<To>::min();
  if (whole >= static_cast<double>(std::numeric_limits<To>::max()))
    return std::numeric_limits<To>::max();
  return static_cast<To>(whole);
}
UNARY(cvt_rzi_s32_f32, s32, float, "cvt.rzi.s32.f32", to_int<s32>(a, std::trunc(a)))
UNARY(cvt_rni_s32_f32, s32, float, "cvt.rni.s32.f32", to_int<s32>(a, std::nearbyint(a)))
UNARY(cvt_rmi_s32_f32, s32, float, "cvt.rmi.s32.f32", to_int<s32>(a, std::floor(a)))
UNARY(cvt_rpi_u32_f32, u32, float, "cvt.rpi.u32.f32", to_int<u32>(a, std::ceil(a)))
UNARY(cvt_rzi_s64_f64, s64, double, "cvt.rzi.s64.f64", to_int<s64>(a, std::trunc(a)))
UNARY(cvt_rni_f32_f32, float, float, "cvt.rni.f32.f32", std::nearbyint(a))
UNARY(cvt_rmi_f32_f32, float, float, "cvt.rmi.f32.f32", std::floor(a))
UNARY(cvt_rn_f32_s32, float, s32, "cvt.rn.f32.s32", static_cast<float>(a))
UNARY(cvt_rn_f32_u32, float, u32, "cvt.rn.f32.u32", static_cast<float>(a))
UNARY(cvt_rn_f32_u64, float, u64, "cvt.rn.f32.u64", static_cast<float>(a))
UNARY(cvt_rz_f32_u32, float, u32, "cvt.rz.f32.u32", in_mode(FE_TOWARDZERO, [=]() -> float {
        volatile u32 x = a;
        return static_cast<float>(x);
      }))
UNARY(cvt_rn_f32_u16, float, u16, "cvt.rn.f32.u16", static_cast<float>(a))
UNARY(cvt_f64_f32, double, float, "cvt.f64.f32", static_cast<double>(a))
UNARY(cvt_rn_f32_f64, float, double, "cvt.rn.f32.f64", static_cast<float>(a))
UNARY(cvt_sat_f32_f32, float, float, "cvt.sat.f32.f32", sat(a))
UNARY(cvt_s64_s32, s64, s32, "cvt.s64.s32", a)
UNARY(cvt_u64_u32, u64, u32, "cvt.u64.u32", a)
UNARY(cvt_u32_u64, u32, u64, "cvt.u32.u64", a)
UNARY(cvt_s32_s8, s32, s32, "cvt.s32.s8", static_cast<std::int8_t>(a))
UNARY(cvt_u32_u8, u32, u32, "cvt.u32.u8", a & 0xFF)
UNARY(cvt_sat_u8_s32, u32, s32, "cvt.sat.u8.s32", std::min(255, std::max(0, a)))

// 16-bit floats, against the host's own conversions in double.
u16 half_bits(double value) {
  return std::bit_cast<u16>(static_cast<_Float16>(value));
}
double half_value(u16 bits) {
  return static_cast<double>(std::bit_cast<_Float16>(bits));
}
double bfloat_value(u16 bits) {
  return std::bit_cast<float>(u32(bits) << 16);
}
u16 bfloat_bits(double value) {  // nearest even, from the neighbours
  if (value != value) return 0x7FFF;
  const float f = static_cast<float>(value);
  if (std::isinf(f)) return static_cast<u16>(std::bit_cast<u32>(f) >> 16);
  const u16 down = static_cast<u16>(std::bit_cast<u32>(in_mode(FE_TOWARDZERO,
                                                               [=] {
                                                                 volatile double v = value;
                                                                 return static_cast<float>(v);
                                                               })) >>
                                    16);
  const u16 up = static_cast<u16>(down + 1);
  const double low = std::fabs(value) - std::fabs(bfloat_value(down));
  const double beyond =
      (up & 0x7F80) == 0x7F80 ? std::ldexp(1.0, 128) : std::fabs(bfloat_value(up));
  const double high = beyond - std::fabs(value);
  return low < high || (low == high && (down & 1) == 0) ? down : up;
}
u16 same_nan(u16 bits, u16 want, u16 infinity) {  // any NaN counts as the wanted one
  const bool is_nan = (bits & 0x7FFF) > infinity;
  return is_nan ? want : bits;
}
u16 h(u16 bits) {
  return same_nan(bits, 0x7FFF, 0x7C00);
}
u16 bf(u16 bits) {
  return same_nan(bits, 0x7FFF, 0x7F80);
}
long double wide(u16 a, double (*value)(u16)) {
  return value(a);
}

UNARY(cvt_rn_f16_f32, u16, float, "cvt.rn.f16.f32", h(half_bits(a)))
UNARY(cvt_rn_bf16_f32, u16, float, "cvt.rn.bf16.f32", bfloat_bits(a))
UNARY(cvt_f32_f16, float, u16, "cvt.f32.f16", static_cast<float>(half_value(a)))
OP3(cvt_rn_f16x2_f32, u32, float, float, float, "cvt.rn.f16x2.f32 %0, %1, %2;",
    u32(h(half_bits(a))) << 16 | h(half_bits(b)))
OP3(cvt_rn_bf16x2_f32, u32, float, float, float, "cvt.rn.bf16x2.f32 %0, %1, %2;",
    u32(bfloat_bits(a)) << 16 | bfloat_bits(b))
BINARY(add_f16, u16, "add.f16", h(half_bits(half_value(a) + half_value(b))))
BINARY(mul_f16, u16, "mul.f16", h(half_bits(half_value(a) * half_value(b))))
TERNARY(fma_rn_f16, u16, "fma.rn.f16",
        h(std::bit_cast<u16>(static_cast<_Float16>(static_cast<_Float16>(
            wide(a, half_value) * wide(b, half_value) + wide(c, half_value))))))
BINARY(max_nan_f16, u16, "max.NaN.f16",
       half_value(a) != half_value(a) || half_value(b) != half_value(b)
           ? 0x7FFF
           : half_bits(maximum(static_cast<float>(half_value(a)),
                               static_cast<float>(half_value(b)))))
OP3(add_f16x2, u32, u32, u32, u32, "add.f16x2 %0, %1, %2;",
    u32(h(half_bits(half_value(u16(a >> 16)) + half_value(u16(b >> 16))))) << 16 |
        h(half_bits(half_value(u16(a)) + half_value(u16(b)))))
BINARY(fma_rn_bf16_as_add, u16,
       "{.reg .b16 one; mov.b16 one, 0x3f80U; fma.rn.bf16 %0, %1, one, %2;} //",
       bf(bfloat_bits(bfloat_value(a) + bfloat_value(b))))
OP3(mov_pack, u32, u32, u32, u32, "{.reg .b16 l, h; mov.b32 {l, h}, %1; mov.b32 %0, {h, l};}",
    a << 16 | a >> 16)
OP3(mov_unpack_64, u64, u64, u64, u64, "{.reg .b32 l, h; mov.b64 {l, h}, %1; mov.b64 %0, {h, l};}",
    a << 32 | a >> 32)

// 2050 + (1 - 2^-20) lies just below the middle of 2050 and 2052; by way of float it becomes the
// middle and goes to 2052.
__global__ void fuse_halves(u16* out) {
  const u16 a = 0x3C01, b = 0x3BFE, c = 0x6801;
  asm volatile("fma.rn.f16 %0, %1, %2, %3;" : "=h"(out[0]) : "h"(a), "h"(b), "h"(c));
}
TEST(Opcode, HalvesAreFusedWithOneRounding) {
  const DeviceArray<u16> out(1);
  fuse_halves<<<1, 1>>>(out.get());
  EXPECT_EQ(out.host()[0], 0x6801);
}

// Unknown instructions are reported.
__global__ void needs_tensor_cores(unsigned* out) {
  unsigned d0 = 0, d1 = 0;
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3}, {%4}, {%5, %6};"
      : "=r"(d0), "=r"(d1)
      : "r"(1), "r"(2), "r"(3), "r"(4), "r"(5));
  out[0] = d0 + d1;
}
TEST(Opcode, UnknownOnesAreNamedWithKernelAndLine) {
  NEEDS_VIRTUAL_GPU();
  const DeviceArray<unsigned> out(1);
  needs_tensor_cores<<<1, 32>>>(out.get());
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidKernelImage);
  const std::string errors = take_errors();
  EXPECT_NE(errors.find("needs_tensor_cores"), std::string::npos) << errors;
  EXPECT_NE(errors.find("PTX line "), std::string::npos) << errors;
  EXPECT_NE(errors.find("'mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16'"), std::string::npos)
      << errors;
}

}  // namespace
