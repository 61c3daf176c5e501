#pragma once
// What differs between the steps of an epoch, in device memory: the kernels of a step read it there,
// so that a CUDA graph of them serves every step. The last of them moves it to the next step.
//
// Bytes moved: 16 read, 20 written.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/moved_bytes.h"
#include "kernels/rmsprop.h"

namespace graft::cuda {

struct TrainingStep {
  std::uint64_t step;   // of all training: keys the dropout masks and the learning rate
  std::uint64_t first;  // place of the batch's first row in the epoch's order
  float learning_rate;
};

// *now, on the device, becomes the step after a batch of `rows` rows.
void advance(TrainingStep* now, std::size_t rows, const LearningRate& rate, cudaStream_t stream);

constexpr MovedBytes advance_bytes() {
  constexpr std::size_t counters = 2 * sizeof(std::uint64_t);
  return {counters, counters + sizeof(float)};
}

}  // namespace graft::cuda
