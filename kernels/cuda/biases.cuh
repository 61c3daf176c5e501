#pragma once
// Biases of contiguous values in rows of `channels`.

#include <cstddef>

#include "kernels/cuda/pack128.cuh"

namespace graft::cuda {

// biases[i] = bias[(first + i) mod channels]. `aligned`: bias is, and channels and first are
// multiples of Width, so that the biases are contiguous too.
template <unsigned Width>
__device__ __forceinline__ void load_biases(float (&biases)[Width], const float* bias,
                                            std::size_t first, std::size_t channels, bool aligned) {
  std::size_t channel = first % channels;
  if (aligned) {
#pragma unroll
    for (unsigned lane = 0; lane < Width; lane += 4) {
      const Pack128<float> four = load128(bias + channel + lane);
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) biases[lane + i] = four.value[i];
    }
    return;
  }
#pragma unroll
  for (unsigned lane = 0; lane < Width; ++lane) {
    biases[lane] = bias[channel];
    channel = channel + 1 == channels ? 0 : channel + 1;
  }
}

}  // namespace graft::cuda
