#pragma once
// Raises a flag for halves that are not finite: their range ends at 65504. A thread adds up
// 0 · value, two values an instruction. The sum stays 0 until a value is infinite or a NaN, and is
// a NaN from then on. Other types have the range of float: for them nothing is compiled.

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/pack128.cuh"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

// The values that one thread reads and stores.
template <typename T>
class FiniteCheck {
 public:
  __device__ __forceinline__ void add(const Pack128<T>& pack) {
    if constexpr (std::is_same_v<T, __half>) {
#pragma unroll
      for (unsigned lane = 0; lane < Pack128<T>::width; lane += 2) {
        const __half2 pair = __halves2half2(pack.value[lane], pack.value[lane + 1]);
        sum_ = __hfma2(pair, __float2half2_rn(0.0F), sum_);
      }
    }
  }
  // *flag becomes 1 when a value that was added is not finite. Threads that race store the same.
  __device__ __forceinline__ void raise(std::uint32_t* flag) const {
    if constexpr (std::is_same_v<T, __half>) {
      const float sum = __low2float(sum_) + __high2float(sum_);
      if (sum != sum && flag != nullptr) *flag = 1;
    }
  }

 private:
  __half2 sum_ = __float2half2_rn(0.0F);
};

}  // namespace graft::cuda
