// A thread changes four values: one pack, and the four words of one Philox block.

#include "kernels/cuda/biases.cuh"
#include "kernels/cuda/check.h"
#include "kernels/cuda/pack128.cuh"
#include "kernels/cuda/relu_dropout.h"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

namespace {

constexpr unsigned block_threads = 256;
constexpr unsigned width = Pack128<float>::width;
static_assert(width == sizeof(PhiloxBlock) / sizeof(std::uint32_t));

__global__ void __launch_bounds__(block_threads)
    relu_dropout_kernel(float* values, const float* bias, std::size_t count, std::size_t units,
                        const Dropout dropout, const std::uint64_t* step, bool values_aligned,
                        bool biases_aligned) {
  const std::size_t block = std::size_t{blockIdx.x} * block_threads + threadIdx.x;
  const std::size_t first = block * width;
  if (first >= count) return;
  Pack128<float> pack = load_first(values + first, count - first, values_aligned);
  float biases[width];
  load_biases(biases, bias, first, units, biases_aligned);
  PhiloxBlock random = {};
  if (dropout.threshold != 0) {
    RandomStream stream = dropout.stream;
    stream.step = *step;
    random = random_block(stream, block);
  }
#pragma unroll
  for (unsigned lane = 0; lane < width; ++lane) {
    const float value = rectified(pack.value[lane] + biases[lane]) * dropout.scale;
    pack.value[lane] = (random.word[lane] >> 8U) >= dropout.threshold ? value : 0.0F;
  }
  store_first(values + first, pack, count - first, values_aligned);
}

__global__ void __launch_bounds__(block_threads)
    relu_dropout_backward_kernel(float* gradient, const float* outputs, std::size_t count,
                                 float scale, bool aligned) {
  const std::size_t first = (std::size_t{blockIdx.x} * block_threads + threadIdx.x) * width;
  if (first >= count) return;
  const std::size_t present = count - first;
  Pack128<float> pack = load_first(gradient + first, present, aligned);
  const Pack128<float> output = load_first(outputs + first, present, aligned);
#pragma unroll
  for (unsigned lane = 0; lane < width; ++lane) {
    const bool passes = output.value[lane] > 0.0F || output.value[lane] != output.value[lane];
    pack.value[lane] = passes ? pack.value[lane] * scale : 0.0F;
  }
  store_first(gradient + first, pack, present, aligned);
}

}  // namespace

void relu_dropout(float* values, const float* bias, std::size_t rows, std::size_t units,
                  const Dropout& dropout, const std::uint64_t* step, cudaStream_t stream) {
  const std::size_t count = rows * units;
  if (count == 0) return;
  relu_dropout_kernel<<<blocks_for(count, block_threads * width), block_threads, 0, stream>>>(
      values, bias, count, units, dropout, step, is_aligned(values),
      units % width == 0 && is_aligned(bias));
  GRAFT_CUDA_CHECK_LAUNCH("relu_dropout");
}

void relu_dropout_backward(float* gradient, const float* outputs, std::size_t count, float scale,
                           cudaStream_t stream) {
  if (count == 0) return;
  relu_dropout_backward_kernel<<<blocks_for(count, block_threads * width), block_threads, 0,
                                 stream>>>(gradient, outputs, count, scale,
                                           all_aligned(gradient, outputs));
  GRAFT_CUDA_CHECK_LAUNCH("relu_dropout_backward");
}

}  // namespace graft::cuda
