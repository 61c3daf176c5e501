#pragma once
// The widest access of a thread: 128 bits of contiguous values, moved by one instruction, so that a
// warp moves 512 bytes. Each load and store has a cache hint.
//
// Memory may begin and end anywhere. A pack that is incomplete or not aligned is moved value by
// value: the same result, more instructions.

#include <cstddef>
#include <cstdint>

namespace graft::cuda {

template <typename T>
struct alignas(16) Pack128 {
  static constexpr unsigned width = 16 / sizeof(T);
  T value[width];
};

// Whether packs at this address may be moved by one instruction.
inline bool is_aligned(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address) % 16 == 0;
}
template <typename... Pointers>
bool all_aligned(Pointers... pointers) {
  return (is_aligned(pointers) && ...);
}

// Intrinsics instead of an assignment: the compiler may split a pack in registers and assign its
// values one by one, which moves four times the sectors. Streaming: for values that are not read
// again while they could be in a cache; else cached, for values that are soon read again.
template <bool Streaming = false, typename T>
__device__ __forceinline__ Pack128<T> load128(const T* from) {
  const auto* whole = reinterpret_cast<const uint4*>(from);
  return __builtin_bit_cast(Pack128<T>, Streaming ? __ldcs(whole) : __ldca(whole));
}
template <bool Streaming, typename T>
__device__ __forceinline__ void store128(T* to, const Pack128<T>& pack) {
  auto* const whole = reinterpret_cast<uint4*>(to);
  const auto bits = __builtin_bit_cast(uint4, pack);
  if (Streaming) {
    __stcs(whole, bits);
  } else {
    __stwb(whole, bits);
  }
}

// To shared memory.
template <typename T>
__device__ __forceinline__ void store128_shared(T* to, const Pack128<T>& pack) {
  *reinterpret_cast<uint4*>(to) = __builtin_bit_cast(uint4, pack);
}

// The pack whose first value is from[0]. Only `count` values are in memory (more than its width
// counts as all); the others are zeros and are not accessed. `aligned`: is_aligned(from).
template <bool Streaming = false, typename T>
__device__ __forceinline__ Pack128<T> load_first(const T* from, std::size_t count, bool aligned) {
  constexpr unsigned width = Pack128<T>::width;
  if (aligned && count >= width) return load128<Streaming>(from);
  Pack128<T> pack = {};
#pragma unroll
  for (unsigned lane = 0; lane < width; ++lane) {
    if (lane < count) pack.value[lane] = from[lane];
  }
  return pack;
}
template <bool Streaming = false, typename T>
__device__ __forceinline__ void store_first(T* to, const Pack128<T>& pack, std::size_t count,
                                            bool aligned) {
  constexpr unsigned width = Pack128<T>::width;
  if (aligned && count >= width) return store128<Streaming>(to, pack);
#pragma unroll
  for (unsigned lane = 0; lane < width; ++lane) {
    if (lane < count) to[lane] = pack.value[lane];
  }
}

}  // namespace graft::cuda
