// A thread changes one pack. Where channels are a multiple of the pack's width (all of VGG16's) a
// pack is in one pixel and its biases are contiguous; elsewhere each value looks up its own.

#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/biases.cuh"
#include "kernels/cuda/check.h"
#include "kernels/cuda/finite_check.cuh"
#include "kernels/cuda/pack128.cuh"

namespace graft::cuda {

namespace {

constexpr unsigned block_threads = 256;

template <typename T>
__global__ void __launch_bounds__(block_threads)
    bias_relu_kernel(T* values, const float* bias, std::size_t count, std::size_t channels,
                     bool values_aligned, bool biases_aligned, std::uint32_t* not_finite) {
  constexpr unsigned width = Pack128<T>::width;
  const std::size_t first = (std::size_t{blockIdx.x} * block_threads + threadIdx.x) * width;
  if (first >= count) return;
  Pack128<T> pack = load_first(values + first, count - first, values_aligned);
  FiniteCheck<T> finite;
  finite.add(pack);
  float biases[width];
  load_biases(biases, bias, first, channels, biases_aligned);
#pragma unroll
  for (unsigned lane = 0; lane < width; ++lane) {
    pack.value[lane] = from_float<T>(rectified(to_float(pack.value[lane]) + biases[lane]));
  }
  // Cached: the next convolution reads it at once.
  store_first(values + first, pack, count - first, values_aligned);
  finite.add(pack);
  finite.raise(not_finite);
}

}  // namespace

template <typename T>
void bias_relu(T* values, const float* bias, std::size_t pixels, std::size_t channels,
               cudaStream_t stream, std::uint32_t* not_finite) {
  constexpr unsigned width = Pack128<T>::width;
  const std::size_t count = pixels * channels;
  if (count == 0) return;
  const unsigned blocks = blocks_for(count, std::size_t{block_threads} * width);
  bias_relu_kernel<T>
      <<<blocks, block_threads, 0, stream>>>(values, bias, count, channels, is_aligned(values),
                                             channels % width == 0 && is_aligned(bias), not_finite);
  GRAFT_CUDA_CHECK_LAUNCH("bias_relu");
}

template void bias_relu<float>(float*, const float*, std::size_t, std::size_t, cudaStream_t,
                               std::uint32_t*);
template void bias_relu<__half>(__half*, const float*, std::size_t, std::size_t, cudaStream_t,
                                std::uint32_t*);
template void bias_relu<__nv_bfloat16>(__nv_bfloat16*, const float*, std::size_t, std::size_t,
                                       cudaStream_t, std::uint32_t*);

}  // namespace graft::cuda
