// A block pools 128 bytes of channels of one image: eight threads side by side take a pack each, and
// up to 64 such rows of threads take the rows of pixels by turns. A warp reads four runs of 128 bytes
// with one access. Then a thread for each channel adds what the rows of threads have.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/cuda/check.h"
#include "kernels/cuda/global_pool.h"
#include "kernels/cuda/pack128.cuh"

namespace graft::cuda {

namespace {

constexpr unsigned block_packs = 8;
constexpr unsigned most_rows = 64;  // of threads

template <typename T>
__global__ void __launch_bounds__(block_packs* most_rows)
    global_pool_kernel(const ChannelStatistics out, const T* in, unsigned height,
                       unsigned map_width, unsigned map_channels) {
  constexpr unsigned width = Pack128<T>::width, channels = block_packs * width;
  constexpr unsigned in_flight = 16 / width;  // loads of a thread: there may be few blocks
  __shared__ float sums[most_rows][channels], maxima[most_rows][channels];
  const std::size_t image = blockIdx.x, first = std::size_t{blockIdx.y} * channels;
  const unsigned row_of_threads = threadIdx.y, channel = threadIdx.x * width;

  float sum[width] = {}, largest[width];
#pragma unroll
  for (float& value : largest) value = -INFINITY;
  for (unsigned y = row_of_threads; y < height; y += blockDim.y) {
    const T* pixel = in + (image * height + y) * map_width * map_channels + first + channel;
    float of_row[width] = {};
    for (unsigned x = 0; x < map_width; x += in_flight) {
      Pack128<T> packs[in_flight];
#pragma unroll
      for (unsigned i = 0; i < in_flight; ++i, pixel += map_channels) {
        if (x + i < map_width) packs[i] = load128(pixel);  // cached: the next convolution reads it
      }
#pragma unroll
      for (unsigned i = 0; i < in_flight; ++i) {
        if (x + i >= map_width) break;
#pragma unroll
        for (unsigned lane = 0; lane < width; ++lane) {
          const float value = to_float(packs[i].value[lane]);
          of_row[lane] += value;
          largest[lane] = larger(largest[lane], value);
        }
      }
    }
#pragma unroll
    for (unsigned lane = 0; lane < width; ++lane) sum[lane] += of_row[lane];
  }
#pragma unroll
  for (unsigned lane = 0; lane < width; ++lane) {
    sums[row_of_threads][channel + lane] = sum[lane];
    maxima[row_of_threads][channel + lane] = largest[lane];
  }
  __syncthreads();

  const auto pixels = static_cast<float>(std::size_t{height} * map_width);
  const unsigned thread = row_of_threads * block_packs + threadIdx.x;
  for (unsigned c = thread; c < channels; c += block_packs * blockDim.y) {
    float total = sums[0][c], most = maxima[0][c];
    for (unsigned row = 1; row < blockDim.y; ++row) {
      total += sums[row][c];
      most = larger(most, maxima[row][c]);
    }
    const std::size_t at = image * out.stride + first + c;
    if (out.average != nullptr) out.average[at] = total / pixels;
    if (out.maximum != nullptr) out.maximum[at] = most;
  }
}

}  // namespace

template <typename T>
void global_pool(const ChannelStatistics& out, const T* in, const BatchShape& shape,
                 cudaStream_t stream) {
  constexpr std::size_t channels = block_packs * Pack128<T>::width;
  if (shape.height * shape.width == 0 || shape.channels % 64 != 0 || !is_aligned(in)) {
    throw std::invalid_argument(
        "global_pool needs a pixel, a multiple of 64 channels, and memory aligned to 16 bytes");
  }
  if (shape.images * shape.channels == 0) return;
  const dim3 grid(blocks_for(shape.images, 1), blocks_for(shape.channels, channels));
  const dim3 block(block_packs,
                   static_cast<unsigned>(std::min<std::size_t>(shape.height, most_rows)));
  global_pool_kernel<T><<<grid, block, 0, stream>>>(out, in, static_cast<unsigned>(shape.height),
                                                    static_cast<unsigned>(shape.width),
                                                    static_cast<unsigned>(shape.channels));
  GRAFT_CUDA_CHECK_LAUNCH("global_pool");
}

template void global_pool<float>(const ChannelStatistics&, const float*, const BatchShape&,
                                 cudaStream_t);
template void global_pool<__half>(const ChannelStatistics&, const __half*, const BatchShape&,
                                  cudaStream_t);
template void global_pool<__nv_bfloat16>(const ChannelStatistics&, const __nv_bfloat16*,
                                         const BatchShape&, cudaStream_t);

}  // namespace graft::cuda
