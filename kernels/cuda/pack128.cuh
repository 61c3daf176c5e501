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
// values one by one, which moves four times the sectors. Cached: for values that are soon read again.
template <typename T>
__device__ __forceinline__ Pack128<T> load128(const T* from) {
  return __builtin_bit_cast(Pack128<T>, __ldca(reinterpret_cast<const uint4*>(from)));
}
template <typename T>
__device__ __forceinline__ void store128(T* to, const Pack128<T>& pack) {
  __stwb(reinterpret_cast<uint4*>(to), __builtin_bit_cast(uint4, pack));
}
// Streaming: for values that are not read again while they could be in a cache.
template <typename T>
__device__ __forceinline__ Pack128<T> load128_streaming(const T* from) {
  return __builtin_bit_cast(Pack128<T>, __ldcs(reinterpret_cast<const uint4*>(from)));
}
template <typename T>
__device__ __forceinline__ void store128_streaming(T* to, const Pack128<T>& pack) {
  __stcs(reinterpret_cast<uint4*>(to), __builtin_bit_cast(uint4, pack));
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
  if (aligned && count >= width) return Streaming ? load128_streaming(from) : load128(from);
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
  if (aligned && count >= width) {
    if (Streaming) {
      store128_streaming(to, pack);
    } else {
      store128(to, pack);
    }
    return;
  }
#pragma unroll
  for (unsigned lane = 0; lane < width; ++lane) {
    if (lane < count) to[lane] = pack.value[lane];
  }
}

}  // namespace graft::cuda
