#pragma once
// One RMSprop update of all the parameters of a head, in one launch. Formula, both places of
// epsilon and source: kernels/rmsprop.h. Root and quotient are the exact ones of IEEE 754, and
// the product and sum of the mean are one fused operation, so that from the same gradient the
// result is the one of the CPU's AVX kernels to the bit.
//
// Bytes moved for a parameter: 12 read, 8 written; 4 read once.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>

#include "kernels/cuda/moved_bytes.h"
#include "kernels/rmsprop.h"

namespace graft::cuda {

// A tensor of parameters, on the device: `count` floats each, any alignment, without overlap.
struct ParameterTensor {
  float* parameters;
  float* mean_squares;
  const float* gradients;
  std::size_t count;
};

constexpr std::size_t most_tensors = 64;  // what fits into the parameters of a kernel

// learning_rate: on the device, in place of rmsprop.learning_rate. Throws std::invalid_argument for
// more than most_tensors tensors.
void rmsprop(std::span<const ParameterTensor> tensors, const Rmsprop& rmsprop,
             const float* learning_rate, cudaStream_t stream);

// Bytes moved, for the parameters of all tensors.
constexpr MovedBytes rmsprop_bytes(std::size_t parameters) {
  return {sizeof(float) * (3 * parameters + 1), 2 * sizeof(float) * parameters};
}

}  // namespace graft::cuda
