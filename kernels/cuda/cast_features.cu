// A thread casts four values: its store is 128 bits and its load 64 (half types) or 128. Eight
// values would make the load 128 bits and leave gaps between the stores of a warp, which move twice
// as many bytes.

#include "kernels/cuda/cast_features.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/pack128.cuh"

namespace graft::cuda {

namespace {

constexpr unsigned block_threads = 256;
constexpr unsigned width = Pack128<float>::width;

template <typename T>
struct alignas(width * sizeof(T)) Four {
  T value[width];
};

template <typename T>
__global__ void __launch_bounds__(block_threads)
    cast_features_kernel(float* out, const T* in, std::size_t count, bool aligned) {
  const std::size_t first = (std::size_t{blockIdx.x} * block_threads + threadIdx.x) * width;
  if (first >= count) return;
  const std::size_t present = count - first;
  Four<T> four = {};
  if (aligned && present >= width) {
    four = *reinterpret_cast<const Four<T>*>(in + first);
  } else {
#pragma unroll
    for (unsigned lane = 0; lane < width; ++lane) {
      if (lane < present) four.value[lane] = in[first + lane];
    }
  }
  Pack128<float> pack;
#pragma unroll
  for (unsigned lane = 0; lane < width; ++lane) pack.value[lane] = to_float(four.value[lane]);
  // Streaming: the copy engine is the next to read them, from memory.
  store_first<true>(out + first, pack, present, aligned);
}

}  // namespace

template <typename T>
void cast_features(float* out, const T* in, std::size_t count, cudaStream_t stream) {
  if (count == 0) return;
  cast_features_kernel<T><<<blocks_for(count, block_threads * width), block_threads, 0, stream>>>(
      out, in, count, all_aligned(out, in));
  GRAFT_CUDA_CHECK_LAUNCH("cast_features");
}

template void cast_features<float>(float*, const float*, std::size_t, cudaStream_t);
template void cast_features<__half>(float*, const __half*, std::size_t, cudaStream_t);
template void cast_features<__nv_bfloat16>(float*, const __nv_bfloat16*, std::size_t, cudaStream_t);

}  // namespace graft::cuda
