// A thread makes one pack of channels of one pooled pixel. blockIdx.x is a row of the pooled batch
// and blockIdx.y a piece of it, so that the divisions of the index are 32-bit ones.

#include <stdexcept>

#include "kernels/cuda/bias_relu_max_pool.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/finite_check.cuh"
#include "kernels/cuda/pack128.cuh"

namespace graft::cuda {

namespace {

constexpr unsigned block_threads = 128;  // small: the last rows of VGG16 have a few hundred packs
constexpr std::size_t most_values_of_a_row = std::size_t{1} << 23U;

template <typename T>
struct Pool {
  T* out;
  const T* in;
  const float* bias;
  std::uint32_t* not_finite;
  std::size_t in_row, out_row;  // values
  unsigned height, out_height;
  unsigned channels, groups;  // groups: packs of a pixel, the last perhaps incomplete
  unsigned row_packs;         // width/2 × groups
  bool aligned;
};

template <typename T>
__device__ __forceinline__ Pack128<T> largest_of(const Pack128<T>& a, const Pack128<T>& b) {
  Pack128<T> pack;
#pragma unroll
  for (unsigned lane = 0; lane < Pack128<T>::width; ++lane) {
    pack.value[lane] = from_float<T>(larger(to_float(a.value[lane]), to_float(b.value[lane])));
  }
  return pack;
}

template <typename T>
__global__ void __launch_bounds__(block_threads) bias_relu_max_pool_kernel(const Pool<T> pool) {
  constexpr unsigned width = Pack128<T>::width;
  const unsigned index = blockIdx.y * block_threads + threadIdx.x;
  if (index >= pool.row_packs) return;
  const unsigned x = index / pool.groups;
  const unsigned channel = (index - x * pool.groups) * width;
  const unsigned image = blockIdx.x / pool.out_height;
  const unsigned y = blockIdx.x - image * pool.out_height;
  const unsigned present = pool.channels - channel;

  const T* upper = pool.in + (std::size_t{image} * pool.height + 2 * y) * pool.in_row +
                   std::size_t{2 * x} * pool.channels + channel;
  const T* lower = upper + pool.in_row;
  // Streaming: no value is read twice.
  const Pack128<T> a = load_first<true>(upper, present, pool.aligned);
  const Pack128<T> b = load_first<true>(upper + pool.channels, present, pool.aligned);
  const Pack128<T> c = load_first<true>(lower, present, pool.aligned);
  const Pack128<T> d = load_first<true>(lower + pool.channels, present, pool.aligned);
  FiniteCheck<T> finite;
  finite.add(a);
  finite.add(b);
  finite.add(c);
  finite.add(d);
  Pack128<T> pack = largest_of(largest_of(a, b), largest_of(c, d));
#pragma unroll
  for (unsigned first = 0; first < width; first += 4) {
    const Pack128<float> bias = load_first(pool.bias + channel + first,
                                           present > first ? present - first : 0, pool.aligned);
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const float value = to_float(pack.value[first + i]) + bias.value[i];
      pack.value[first + i] = from_float<T>(rectified(value));
    }
  }
  // Cached: the next convolution reads it at once.
  store_first(pool.out + blockIdx.x * pool.out_row + std::size_t{x} * pool.channels + channel, pack,
              present, pool.aligned);
  finite.add(pack);
  finite.raise(pool.not_finite);
}

}  // namespace

template <typename T>
void bias_relu_max_pool(T* out, const T* in, const float* bias, const BatchShape& shape,
                        cudaStream_t stream, std::uint32_t* not_finite) {
  constexpr unsigned width = Pack128<T>::width;
  const std::size_t out_height = shape.height / 2;
  const std::size_t out_width = shape.width / 2;
  if (shape.images * out_height * out_width * shape.channels == 0) return;
  if (shape.width * shape.channels > most_values_of_a_row) {
    throw std::length_error("bias_relu_max_pool: a row has more than 2^23 values");
  }
  const std::size_t groups = (shape.channels + width - 1) / width;
  const std::size_t row_packs = out_width * groups;
  const Pool<T> pool = {out,
                        in,
                        bias,
                        not_finite,
                        shape.width * shape.channels,
                        out_width * shape.channels,
                        static_cast<unsigned>(shape.height),
                        static_cast<unsigned>(out_height),
                        static_cast<unsigned>(shape.channels),
                        static_cast<unsigned>(groups),
                        static_cast<unsigned>(row_packs),
                        shape.channels % width == 0 && all_aligned(out, in, bias)};
  const dim3 grid(blocks_for(shape.images * out_height, 1), blocks_for(row_packs, block_threads));
  bias_relu_max_pool_kernel<T><<<grid, block_threads, 0, stream>>>(pool);
  GRAFT_CUDA_CHECK_LAUNCH("bias_relu_max_pool");
}

template void bias_relu_max_pool<float>(float*, const float*, const float*, const BatchShape&,
                                        cudaStream_t, std::uint32_t*);
template void bias_relu_max_pool<__half>(__half*, const __half*, const float*, const BatchShape&,
                                         cudaStream_t, std::uint32_t*);
template void bias_relu_max_pool<__nv_bfloat16>(__nv_bfloat16*, const __nv_bfloat16*, const float*,
                                                const BatchShape&, cudaStream_t, std::uint32_t*);

}  // namespace graft::cuda
