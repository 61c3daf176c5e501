// blockIdx.x is a row of the batch and blockIdx.y a piece of it; a thread moves one pack.

#include <stdexcept>

#include "kernels/cuda/check.h"
#include "kernels/cuda/gather_rows.h"
#include "kernels/cuda/pack128.cuh"

namespace graft::cuda {

namespace {

constexpr unsigned block_threads = 256;
constexpr unsigned width = Pack128<float>::width;
constexpr std::size_t most_pieces = 65535;  // of a grid's second dimension

__global__ void __launch_bounds__(block_threads)
    gather_rows_kernel(float* out, std::uint32_t* out_labels, const GatherSource source,
                       const std::uint32_t* rows, const std::uint64_t* batch, bool aligned) {
  const std::size_t row = rows[*batch + blockIdx.x];
  if (blockIdx.y == 0 && threadIdx.x == 0)
    out_labels[blockIdx.x] = source.labels[row / source.views];
  const std::size_t first = (std::size_t{blockIdx.y} * block_threads + threadIdx.x) * width;
  if (first >= source.columns) return;
  const std::size_t present = source.columns - first;
  // Streaming: a row is read once an epoch. What is written is cached: the product reads it at
  // once.
  Pack128<float> pack =
      load_first<true>(source.features + row * source.columns + first, present, aligned);
  if (source.scale != nullptr) {
    const Pack128<float> mean = load_first(source.mean + first, present, aligned);
    const Pack128<float> scale = load_first(source.scale + first, present, aligned);
#pragma unroll
    for (unsigned lane = 0; lane < width; ++lane) {
      pack.value[lane] =
          __fmul_rn(__fsub_rn(pack.value[lane], mean.value[lane]), scale.value[lane]);
    }
  }
  store_first(out + blockIdx.x * source.columns + first, pack, present, aligned);
}

}  // namespace

void gather_rows(float* out, std::uint32_t* out_labels, const GatherSource& source,
                 const std::uint32_t* rows, const std::uint64_t* first, std::size_t count,
                 cudaStream_t stream) {
  if (count == 0) return;
  const std::size_t pieces = blocks_for(source.columns, block_threads * width);
  if (pieces > most_pieces) {
    throw std::length_error("gather_rows: a row has more than 67107840 columns");
  }
  const dim3 grid(blocks_for(count, 1), pieces == 0 ? 1 : static_cast<unsigned>(pieces));
  gather_rows_kernel<<<grid, block_threads, 0, stream>>>(
      out, out_labels, source, rows, first,
      source.columns % width == 0 && all_aligned(out, source.features, source.mean, source.scale));
  GRAFT_CUDA_CHECK_LAUNCH("gather_rows");
}

}  // namespace graft::cuda
