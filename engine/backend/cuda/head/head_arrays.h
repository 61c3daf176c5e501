#pragma once
// The device memory of a head: one allocation, with each array on a 256-byte boundary. Its size is
// known before it is allocated.

#include <cstddef>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/runtime/device.h"
#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/training_step.h"

namespace graft::cuda {

// Rows of a chunk in evaluate and predict: 8 MiB of features, so that copies run at full speed and a
// layer's kernel is read once for many rows; at most 256, at least a batch; of complete photos.
std::size_t rows_of_chunk(const HeadOptions& options);

// Throws Error(device) when the GPU's free memory does not hold the head, or this machine's memory
// not its pinned buffers and a HeadState.
void check_head_memory(const HeadOptions& options, const Device& device);
// Throws Error(device) with the required and the free sizes, and what to do.
[[noreturn]] void refuse_head_memory(const HeadOptions& options, const Device& device);

struct TensorArrays {
  float* parameters;
  float* mean_squares;
  float* gradients;
  std::size_t count;
  std::size_t bytes() const { return count * sizeof(float); }  // of each
};

struct DenseArrays {
  std::size_t inputs, units;
  TensorArrays kernel;  // inputs × units
  TensorArrays bias;    // units
  float* outputs;       // rows_of_chunk × units
  float* delta;         // batch_size × units: the gradient of the outputs
};

struct HeadArrays {
  std::vector<DenseArrays> layers;
  float* probabilities;    // rows_of_chunk × classes
  float* mean_logits;      // of the photos of a chunk
  float* class_weights;    // classes
  LossTotals* row_losses;  // rows_of_chunk
  LossTotals* trained;     // of train_step since the last take_totals
  LossTotals* evaluated;   // of the current evaluate
  TrainingStep* step;      // the next
  std::size_t bytes;       // of all
};

// The arrays in the memory that begins at `memory`; with null only `bytes` is meaningful.
HeadArrays arrange(const HeadOptions& options, std::byte* memory);

}  // namespace graft::cuda
