// A block pools 32 channels of an image: its warps take the rows of pixels by turns, then one warp
// adds their sums. A thread reads one value at a time. A map has few channels, and there are at least
// four times as many warps as with packs.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/cuda/check.h"
#include "kernels/cuda/global_pool.h"

namespace graft::cuda {

namespace {

constexpr unsigned block_channels = 32;
constexpr unsigned most_warps = 32;

template <typename T>
__global__ void __launch_bounds__(block_channels* most_warps)
    global_pool_kernel(const ChannelStatistics out, const T* in, unsigned height, unsigned width,
                       unsigned channels) {
  __shared__ float sums[most_warps][block_channels], maxima[most_warps][block_channels];
  const unsigned channel = blockIdx.y * block_channels + threadIdx.x;
  const T* image = in + std::size_t{blockIdx.x} * height * width * channels;
  float sum = 0.0F, largest = -INFINITY;
  for (unsigned y = threadIdx.y; y < height; y += blockDim.y) {
    const T* pixel = image + std::size_t{y} * width * channels + min(channel, channels - 1);
    float row = 0.0F;
    // The loads of eight pixels are in flight together; the sums keep their order.
#pragma unroll 8
    for (unsigned x = 0; x < width; ++x, pixel += channels) {
      const float value = to_float(*pixel);
      row += value;
      largest = larger(largest, value);
    }
    sum += row;
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  maxima[threadIdx.y][threadIdx.x] = largest;
  __syncthreads();
  if (threadIdx.y != 0 || channel >= channels) return;
  for (unsigned warp = 1; warp < blockDim.y; ++warp) {
    sum += sums[warp][threadIdx.x];
    largest = larger(largest, maxima[warp][threadIdx.x]);
  }
  const std::size_t at = blockIdx.x * out.stride + channel;
  const auto pixels = static_cast<float>(std::size_t{height} * width);
  if (out.average != nullptr) out.average[at] = sum / pixels;
  if (out.maximum != nullptr) out.maximum[at] = largest;
}

}  // namespace

template <typename T>
void global_pool(const ChannelStatistics& out, const T* in, const BatchShape& shape,
                 cudaStream_t stream) {
  if (shape.images * shape.channels == 0) return;
  if (shape.height * shape.width == 0) {
    throw std::invalid_argument("global_pool: a feature map without pixels has no average");
  }
  const auto height = static_cast<unsigned>(shape.height);
  const dim3 grid(blocks_for(shape.images, 1), blocks_for(shape.channels, block_channels));
  const dim3 block(block_channels, std::min(height, most_warps));
  global_pool_kernel<T><<<grid, block, 0, stream>>>(
      out, in, height, static_cast<unsigned>(shape.width), static_cast<unsigned>(shape.channels));
  GRAFT_CUDA_CHECK_LAUNCH("global_pool");
}

template void global_pool<float>(const ChannelStatistics&, const float*, const BatchShape&,
                                 cudaStream_t);
template void global_pool<__half>(const ChannelStatistics&, const __half*, const BatchShape&,
                                  cudaStream_t);
template void global_pool<__nv_bfloat16>(const ChannelStatistics&, const __nv_bfloat16*,
                                         const BatchShape&, cudaStream_t);

}  // namespace graft::cuda
