#pragma once
// Bias, ReLU and inverted dropout of a hidden layer, in place, and the backward pass of ReLU and
// dropout. Source: Srivastava et al. 2014; scaled in training by 1/(1 - rate), as Keras does.
//
// The mask is a pure function of the stream and the element's index (philox.h) and the same as the
// CPU's. It is not stored: the layer's output is above zero exactly where the value was kept and
// above zero, which is all that the backward pass needs. ReLU needs that output anyway, so that
// drawing the words again would not move fewer bytes.
//
// Bytes moved for a value: forward 4 read and 4 written, and 4 read for each unit and 8 for the step
// once; backward 8 read and 4 written.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/moved_bytes.h"
#include "kernels/dropout.h"

namespace graft::cuda {

// values[i] = max(values[i] + bias[unit], 0)·scale where element i = row·units + unit is kept, else
// 0. A kept NaN stays NaN. With threshold 0 every value is kept.
//   values  rows × units, any alignment
//   bias    units
//   step    on the device, in place of dropout.stream.step; not read with threshold 0
void relu_dropout(float* values, const float* bias, std::size_t rows, std::size_t units,
                  const Dropout& dropout, const std::uint64_t* step, cudaStream_t stream);

// gradient[i] = gradient[i]·scale where outputs[i] > 0 or is NaN, else 0.
//   gradient  count floats, changed in place, any alignment
//   outputs   count floats that relu_dropout left
void relu_dropout_backward(float* gradient, const float* outputs, std::size_t count, float scale,
                           cudaStream_t stream);

constexpr MovedBytes relu_dropout_bytes(std::size_t rows, std::size_t units, bool drops = true) {
  const std::size_t values = sizeof(float) * rows * units;
  return {values + sizeof(float) * units + (drops ? sizeof(std::uint64_t) : 0), values};
}
constexpr MovedBytes relu_dropout_backward_bytes(std::size_t count) {
  return {2 * sizeof(float) * count, sizeof(float) * count};
}

}  // namespace graft::cuda
