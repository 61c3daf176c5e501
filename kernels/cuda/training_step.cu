#include "kernels/cuda/check.h"
#include "kernels/cuda/training_step.h"

namespace graft::cuda {

namespace {

__global__ void __launch_bounds__(1)
    advance_kernel(TrainingStep* now, std::size_t rows, const LearningRate rate) {
  const std::uint64_t step = now->step + 1;
  now->step = step;
  now->first += rows;
  now->learning_rate = rate.at(step);
}

}  // namespace

void advance(TrainingStep* now, std::size_t rows, const LearningRate& rate, cudaStream_t stream) {
  advance_kernel<<<1, 1, 0, stream>>>(now, rows, rate);
  GRAFT_CUDA_CHECK_LAUNCH("advance");
}

}  // namespace graft::cuda
