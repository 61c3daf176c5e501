#pragma once
// The bias gradient of a Dense layer: sums[u] = Σ delta[r][u] over r = 0 … rows-1, in that order,
// as the CPU's bias_update adds them: the same bytes, and the same every time.
//
// Bytes moved: 4·rows·units read and 4·units written.

#include <cuda_runtime_api.h>

#include <cstddef>

#include "kernels/cuda/moved_bytes.h"

namespace graft::cuda {

//   sums   units floats, written; does not overlap delta
//   delta  rows × units, any alignment. A batch: rows is small.
void column_sums(float* sums, const float* delta, std::size_t rows, std::size_t units,
                 cudaStream_t stream);

constexpr MovedBytes column_sums_bytes(std::size_t rows, std::size_t units) {
  return {sizeof(float) * rows * units, sizeof(float) * units};
}

}  // namespace graft::cuda
