// A block converts a tile of pixels. Three bytes a pixel do not fit the accesses of a warp: packs of
// bytes and the tables are loaded into shared memory first. The lookups then follow the order of the
// output, which is stored in packs.

#include <stdexcept>
#include <string>

#include "kernels/cuda/check.h"
#include "kernels/cuda/pack128.cuh"
#include "kernels/cuda/preprocess.h"

namespace graft::cuda {

namespace {

constexpr unsigned block_threads = 256;
constexpr unsigned tile_pixels = 2048;  // the tables are a tenth of the bytes of a tile
constexpr unsigned tile_bytes = 3 * tile_pixels;
constexpr unsigned byte_pack = Pack128<std::uint8_t>::width;
constexpr unsigned table_values = 3 * 256;

template <typename T>
struct Pixels {
  T* out;
  const std::uint8_t* rgb;
  const float* tables;
  std::size_t count;  // of pixels
  unsigned source;    // source[c] in bits 8c … 8c+7
  bool rgb_aligned, out_aligned, tables_aligned;
};

struct alignas(16) Tile {
  float tables[table_values];
  std::uint8_t bytes[tile_bytes];
};

template <typename T>
__device__ __forceinline__ void load_tile(Tile& tile, const Pixels<T>& pixels, std::size_t first,
                                          unsigned present) {
  constexpr unsigned float_pack = Pack128<float>::width;
  for (unsigned at = threadIdx.x * float_pack; at < table_values;
       at += block_threads * float_pack) {
    store128_shared(tile.tables + at,
                    load_first(pixels.tables + at, float_pack, pixels.tables_aligned));
  }
  const std::uint8_t* rgb = pixels.rgb + 3 * first;
  for (unsigned at = threadIdx.x * byte_pack; at < 3 * present; at += block_threads * byte_pack) {
    // Streaming: no pixel is read twice.
    store128_shared(tile.bytes + at,
                    load_first<true>(rgb + at, 3 * present - at, pixels.rgb_aligned));
  }
}

template <typename T, unsigned Channels>
__global__ void __launch_bounds__(block_threads) preprocess_kernel(const Pixels<T> pixels) {
  constexpr unsigned width = Pack128<T>::width;
  __shared__ Tile tile;
  const std::size_t first = std::size_t{blockIdx.x} * tile_pixels;
  const std::size_t left = pixels.count - first;
  const unsigned present = left < tile_pixels ? static_cast<unsigned>(left) : tile_pixels;
  load_tile(tile, pixels, first, present);
  __syncthreads();

  T* out = pixels.out + first * Channels;
  const unsigned values = present * Channels;
  for (unsigned at = threadIdx.x * width; at < values; at += block_threads * width) {
    Pack128<T> pack;
#pragma unroll
    for (unsigned lane = 0; lane < width; ++lane) {
      const unsigned pixel = (at + lane) / Channels;
      const unsigned channel = (at + lane) % Channels;
      float value = 0.0F;
      if (channel < 3 && pixel < present) {
        const unsigned source = pixels.source >> (8 * channel) & 0xFFU;
        value = tile.tables[256 * channel + tile.bytes[3 * pixel + source]];
      }
      pack.value[lane] = from_float<T>(value);
    }
    // Cached: the first convolution reads it at once.
    store_first(out + at, pack, values - at, pixels.out_aligned);
  }
}

}  // namespace

template <typename T>
void preprocess(T* out, const std::uint8_t* rgb, const DevicePixelTables& tables,
                std::size_t pixels, std::size_t channels, cudaStream_t stream) {
  if (channels != 3 && channels != 4 && channels != 8) {
    throw std::invalid_argument("preprocess: the output has " + std::to_string(channels) +
                                " channels: 3, 4 and 8 are compiled");
  }
  if (pixels == 0) return;
  const unsigned source =
      tables.source[0] | unsigned{tables.source[1]} << 8U | unsigned{tables.source[2]} << 16U;
  const Pixels<T> work = {out,
                          rgb,
                          tables.values,
                          pixels,
                          source,
                          is_aligned(rgb),
                          is_aligned(out),
                          is_aligned(tables.values)};
  const auto kernel = channels == 3   ? preprocess_kernel<T, 3>
                      : channels == 4 ? preprocess_kernel<T, 4>
                                      : preprocess_kernel<T, 8>;
  kernel<<<blocks_for(pixels, tile_pixels), block_threads, 0, stream>>>(work);
  GRAFT_CUDA_CHECK_LAUNCH("preprocess");
}

template void preprocess<float>(float*, const std::uint8_t*, const DevicePixelTables&, std::size_t,
                                std::size_t, cudaStream_t);
template void preprocess<__half>(__half*, const std::uint8_t*, const DevicePixelTables&,
                                 std::size_t, std::size_t, cudaStream_t);
template void preprocess<__nv_bfloat16>(__nv_bfloat16*, const std::uint8_t*,
                                        const DevicePixelTables&, std::size_t, std::size_t,
                                        cudaStream_t);

}  // namespace graft::cuda
