// A thread updates one pack. The tensors travel as parameters of the kernel, each with the number
// of its first block; a block finds its own by looking through them, which are the same for all
// threads.

#include <stdexcept>
#include <string>

#include "kernels/cuda/check.h"
#include "kernels/cuda/pack128.cuh"
#include "kernels/cuda/rmsprop.h"

namespace graft::cuda {

namespace {

constexpr unsigned block_threads = 256;
constexpr unsigned width = Pack128<float>::width;

struct Table {
  ParameterTensor tensor[most_tensors];
  unsigned first_block[most_tensors];
  bool aligned[most_tensors];
  unsigned count;
};
static_assert(sizeof(Table) + sizeof(Rmsprop) + sizeof(float*) <= 4096,
              "the parameters of a kernel");

template <bool EpsilonInside>
__global__ void __launch_bounds__(block_threads)
    rmsprop_kernel(const __grid_constant__ Table table, const Rmsprop factors,
                   const float* learning_rate) {
  unsigned mine = 0;
  while (mine + 1 < table.count && table.first_block[mine + 1] <= blockIdx.x) ++mine;
  const ParameterTensor& tensor = table.tensor[mine];
  const bool aligned = table.aligned[mine];
  const std::size_t first =
      (std::size_t{blockIdx.x - table.first_block[mine]} * block_threads + threadIdx.x) * width;
  if (first >= tensor.count) return;
  const std::size_t present = tensor.count - first;
  Pack128<float> parameters = load_first(tensor.parameters + first, present, aligned);
  Pack128<float> mean_squares = load_first(tensor.mean_squares + first, present, aligned);
  // Streaming: the next step makes new gradients.
  const Pack128<float> gradients = load_first<true>(tensor.gradients + first, present, aligned);
#pragma unroll
  for (unsigned lane = 0; lane < width; ++lane) {
    const float gradient = gradients.value[lane];
    const float square = __fmul_rn(factors.one_minus_rho, __fmul_rn(gradient, gradient));
    const float mean = __fmaf_rn(factors.rho, mean_squares.value[lane], square);
    const float divisor = EpsilonInside ? __fsqrt_rn(__fadd_rn(mean, factors.epsilon))
                                        : __fadd_rn(__fsqrt_rn(mean), factors.epsilon);
    const float step = __fdiv_rn(__fmul_rn(*learning_rate, gradient), divisor);
    parameters.value[lane] = __fsub_rn(parameters.value[lane], step);
    mean_squares.value[lane] = mean;
  }
  store_first(tensor.parameters + first, parameters, present, aligned);
  store_first(tensor.mean_squares + first, mean_squares, present, aligned);
}

}  // namespace

void rmsprop(std::span<const ParameterTensor> tensors, const Rmsprop& rmsprop,
             const float* learning_rate, cudaStream_t stream) {
  if (tensors.size() > most_tensors) {
    throw std::invalid_argument("rmsprop: a head of " + std::to_string(tensors.size()) +
                                " tensors: at most " + std::to_string(most_tensors) +
                                " (32 Dense layers) fit one launch");
  }
  Table table = {};
  std::size_t blocks = 0;
  for (const ParameterTensor& tensor : tensors) {
    if (tensor.count == 0) continue;
    table.tensor[table.count] = tensor;
    table.first_block[table.count] = static_cast<unsigned>(blocks);
    table.aligned[table.count] =
        all_aligned(tensor.parameters, tensor.mean_squares, tensor.gradients);
    ++table.count;
    blocks += blocks_for(tensor.count, block_threads * width);
  }
  if (blocks == 0) return;
  const unsigned grid = blocks_for(blocks, 1);
  if (rmsprop.epsilon_inside_sqrt) {
    rmsprop_kernel<true><<<grid, block_threads, 0, stream>>>(table, rmsprop, learning_rate);
  } else {
    rmsprop_kernel<false><<<grid, block_threads, 0, stream>>>(table, rmsprop, learning_rate);
  }
  GRAFT_CUDA_CHECK_LAUNCH("rmsprop");
}

}  // namespace graft::cuda
