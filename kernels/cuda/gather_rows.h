#pragma once
// The batch of a training step: rows of features and their labels, in shuffled order.
// v = features[rows[*first + i]][k]; out[i][k] = v, or with a normalisation
// (v - mean[k]) · scale[k], rounded twice; out_labels[i] = labels[rows[*first + i] / views].
//
// Bytes moved: 4 read and 4 written for a value; 8 read and 4 written for a row; 8 read for a column
// that is normalised; 8 read once.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/moved_bytes.h"

namespace graft::cuda {

struct GatherSource {
  const float* features;        // … × columns
  const std::uint32_t* labels;  // one for each `views` rows of features
  std::size_t columns;
  std::size_t views = 1;
  const float* mean = nullptr;  // columns; both null: none
  const float* scale = nullptr;
};

//   out         count × source.columns; does not overlap the source
//   out_labels  count
//   rows        indices, on the device, each below the number of rows of the source
//   first       on the device: the place of the batch in `rows`, count of them
// Any alignment. Throws std::length_error for more than 2^26 - 1024 columns: more than a grid
// holds.
void gather_rows(float* out, std::uint32_t* out_labels, const GatherSource& source,
                 const std::uint32_t* rows, const std::uint64_t* first, std::size_t count,
                 cudaStream_t stream);

constexpr MovedBytes gather_rows_bytes(std::size_t count, std::size_t columns,
                                       bool normalized = false) {
  const std::size_t values = sizeof(float) * count * columns;
  return {values + 2 * sizeof(std::uint32_t) * count +
              (normalized ? 2 * sizeof(float) * columns : 0) + sizeof(std::uint64_t),
          values + sizeof(std::uint32_t) * count};
}

}  // namespace graft::cuda
