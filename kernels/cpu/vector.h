#pragma once
// One SIMD register of floats, per Isa. A kernel is written once against `Vector` and compiled
// three times; GRAFT_ISA is the namespace of the present compilation (avx512, avx2 or portable).
//
// Rules for a kernel source, so that code compiled for one processor never runs on another: it uses
// nothing but intrinsics, plain loops and its own functions in GRAFT_ISA's namespace, and includes
// no header with inline functions (the linker could keep the AVX-512 copy of one for all). A test
// reads the symbols of these objects and holds the rule.

#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace graft::cpu::GRAFT_ISA {

#if defined(__AVX512F__)
struct Vector {
  static constexpr std::size_t width = 16;
  __m512 value;
};
static inline Vector load(const float* from) {
  return {_mm512_loadu_ps(from)};
}
static inline void store(float* to, Vector a) {
  _mm512_storeu_ps(to, a.value);
}
static inline Vector broadcast(float a) {
  return {_mm512_set1_ps(a)};
}
static inline Vector zero() {
  return {_mm512_setzero_ps()};
}
static inline Vector operator+(Vector a, Vector b) {
  return {_mm512_add_ps(a.value, b.value)};
}
static inline Vector operator-(Vector a, Vector b) {
  return {_mm512_sub_ps(a.value, b.value)};
}
static inline Vector operator*(Vector a, Vector b) {
  return {_mm512_mul_ps(a.value, b.value)};
}
static inline Vector operator/(Vector a, Vector b) {
  return {_mm512_div_ps(a.value, b.value)};
}
static inline Vector square_root(Vector a) {
  return {_mm512_maskz_sqrt_ps(__mmask16{0xFFFF}, a.value)};
}
// a·b + c with one rounding.
static inline Vector multiply_add(Vector a, Vector b, Vector c) {
  return {_mm512_fmadd_ps(a.value, b.value, c.value)};
}
// The first `count` lanes; the others are 0 (load) or untouched (store). count ≤ width.
static inline Vector load_first(const float* from, std::size_t count) {
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1U), from)};
}
static inline void store_first(float* to, std::size_t count, Vector a) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1U << count) - 1U), a.value);
}
// max(a, 0), and NaN when a is NaN: maxps gives its second operand when one is NaN.
// (The form with a full mask is the same instruction; GCC 12 warns of the plain one without
// reason.)
static inline Vector rectify(Vector a) {
  return {_mm512_maskz_max_ps(__mmask16{0xFFFF}, _mm512_setzero_ps(), a.value)};
}
// max(a, b), and NaN when a or b is NaN.
static inline Vector maximum(Vector a, Vector b) {
  const __mmask16 nan = _mm512_cmp_ps_mask(a.value, a.value, _CMP_UNORD_Q);
  return {
      _mm512_mask_mov_ps(_mm512_maskz_max_ps(__mmask16{0xFFFF}, a.value, b.value), nan, a.value)};
}
#elif defined(__AVX2__)
struct Vector {
  static constexpr std::size_t width = 8;
  __m256 value;
};
static inline Vector load(const float* from) {
  return {_mm256_loadu_ps(from)};
}
static inline void store(float* to, Vector a) {
  _mm256_storeu_ps(to, a.value);
}
static inline Vector broadcast(float a) {
  return {_mm256_set1_ps(a)};
}
static inline Vector zero() {
  return {_mm256_setzero_ps()};
}
static inline Vector operator+(Vector a, Vector b) {
  return {_mm256_add_ps(a.value, b.value)};
}
static inline Vector operator-(Vector a, Vector b) {
  return {_mm256_sub_ps(a.value, b.value)};
}
static inline Vector operator*(Vector a, Vector b) {
  return {_mm256_mul_ps(a.value, b.value)};
}
static inline Vector operator/(Vector a, Vector b) {
  return {_mm256_div_ps(a.value, b.value)};
}
static inline Vector square_root(Vector a) {
  return {_mm256_sqrt_ps(a.value)};
}
static inline Vector multiply_add(Vector a, Vector b, Vector c) {
  return {_mm256_fmadd_ps(a.value, b.value, c.value)};
}
static inline __m256i first_lanes(std::size_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline Vector load_first(const float* from, std::size_t count) {
  return {_mm256_maskload_ps(from, first_lanes(count))};
}
static inline void store_first(float* to, std::size_t count, Vector a) {
  _mm256_maskstore_ps(to, first_lanes(count), a.value);
}
static inline Vector rectify(Vector a) {
  return {_mm256_max_ps(_mm256_setzero_ps(), a.value)};
}
static inline Vector maximum(Vector a, Vector b) {
  const __m256 nan = _mm256_cmp_ps(a.value, a.value, _CMP_UNORD_Q);
  return {_mm256_blendv_ps(_mm256_max_ps(a.value, b.value), a.value, nan)};
}
#else
// Four lanes that any compiler keeps in whatever registers there are. No fused multiply-add: the
// portable kernels round a product before it is added.
struct Vector {
  static constexpr std::size_t width = 4;
  float value[4];
};
#define GRAFT_LANES for (std::size_t lane = 0; lane < 4; ++lane)
static inline Vector load(const float* from) {
  Vector a = {};
  GRAFT_LANES a.value[lane] = from[lane];
  return a;
}
static inline void store(float* to, Vector a) {
  GRAFT_LANES to[lane] = a.value[lane];
}
static inline Vector broadcast(float a) {
  return {{a, a, a, a}};
}
static inline Vector zero() {
  return {{0, 0, 0, 0}};
}
static inline Vector operator+(Vector a, Vector b) {
  GRAFT_LANES a.value[lane] += b.value[lane];
  return a;
}
static inline Vector operator-(Vector a, Vector b) {
  GRAFT_LANES a.value[lane] -= b.value[lane];
  return a;
}
static inline Vector operator*(Vector a, Vector b) {
  GRAFT_LANES a.value[lane] *= b.value[lane];
  return a;
}
static inline Vector operator/(Vector a, Vector b) {
  GRAFT_LANES a.value[lane] /= b.value[lane];
  return a;
}
static inline Vector square_root(Vector a) {
  GRAFT_LANES a.value[lane] = __builtin_sqrtf(a.value[lane]);
  return a;
}
static inline Vector multiply_add(Vector a, Vector b, Vector c) {
  return a * b + c;
}
static inline Vector load_first(const float* from, std::size_t count) {
  Vector a = zero();
  for (std::size_t lane = 0; lane < count; ++lane) a.value[lane] = from[lane];
  return a;
}
static inline void store_first(float* to, std::size_t count, Vector a) {
  for (std::size_t lane = 0; lane < count; ++lane) to[lane] = a.value[lane];
}
static inline Vector rectify(Vector a) {
  GRAFT_LANES a.value[lane] = a.value[lane] < 0.0F ? 0.0F : a.value[lane];
  return a;
}
static inline Vector maximum(Vector a, Vector b) {
  GRAFT_LANES a.value[lane] = (a.value[lane] != a.value[lane] || a.value[lane] > b.value[lane])
                                  ? a.value[lane]
                                  : b.value[lane];
  return a;
}
#undef GRAFT_LANES
#endif

}  // namespace graft::cpu::GRAFT_ISA
