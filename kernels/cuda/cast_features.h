#pragma once
// The backbone's last activations as float features: out[i] = float(in[i]), exact. The order stays
// (y, x, channel).
//
// Bytes moved for a value: sizeof(T) read and 4 written.

#include <cuda_runtime_api.h>

#include <cstddef>

#include "kernels/cuda/moved_bytes.h"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

//   out  count floats; does not overlap `in`
//   in   count values
// Any alignment. T: float (a copy), __half, __nv_bfloat16.
template <typename T>
void cast_features(float* out, const T* in, std::size_t count, cudaStream_t stream);

// Bytes moved, from values of `value_bytes` each.
constexpr MovedBytes cast_features_bytes(std::size_t value_bytes, std::size_t count) {
  return {value_bytes * count, sizeof(float) * count};
}

}  // namespace graft::cuda
