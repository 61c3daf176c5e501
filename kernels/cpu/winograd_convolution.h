#pragma once
// One convolution layer by Winograd's F(m×m, 3×3) (winograd.h), on all threads.
//
// The work goes in blocks, so that what a block makes is read again while it is near:
//
//   plane ─▶ input transform ─▶ V ─▶ 64 × GEMM ─▶ M ─▶ output transform ─▶ plane
//            `tiles` tiles           `outputs` channels
//
// Two ways to share the work between threads; neither changes what is computed:
//   by tiles     each thread takes a block of tiles through all steps, in scratch memory of its
//   own:
//                large planes with few channels. V and M stay in the second-level cache.
//   by channels  all threads transform one block of tiles, then each takes blocks of output
//   channels
//                through GEMM and output transform: small planes with many channels, where the
//                weights are the larger part and must be read few times.

#include <cstddef>

#include "kernels/cpu/convolution_shape.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu/tiling.h"

namespace graft::cpu {

struct WinogradBlocking {
  std::size_t tiles;    // in a block, ≥ 1
  std::size_t outputs;  // channels in a block, a multiple of channel_block
  bool by_channels;
};
// What measured best for a layer of this shape. The optimum is flat.
WinogradBlocking winograd_blocking(const ConvolutionShape& shape, const KernelTable& kernels,
                                   std::size_t threads);

class WinogradConvolution {
 public:
  // Throws std::invalid_argument for a shape or a blocking that breaks the rules above.
  WinogradConvolution(const KernelTable& kernels, const ConvolutionShape& shape,
                      const WinogradBlocking& blocking);

  const ConvolutionShape& shape() const { return shape_; }
  // Floats of packed weights, and of scratch memory for so many threads.
  std::size_t weights_size() const;
  std::size_t scratch_size(std::size_t threads) const;

  // kernel: 3 × 3 × inputs × outputs (HWIO) → packed: weights_size() floats.
  void pack_weights(ThreadPool& threads, const float* kernel, float* packed) const;
  // weights: packed; bias: outputs floats; scratch: scratch_size(threads.threads()) floats, 64-byte
  // aligned for speed; any content.
  void run(ThreadPool& threads, const float* weights, const float* bias, const Planes& planes,
           float* scratch) const;

 private:
  struct Job;
  class Block;
  std::size_t point_rows() const { return rows_.large + 2; }
  std::size_t point_columns() const { return columns_.large + 2; }
  std::size_t positions() const { return point_rows() * point_columns(); }
  std::size_t panels() const;
  std::size_t transformed_stride() const;  // floats of V for one position
  std::size_t product_stride() const;      // floats of M for one position
  void run_by_tiles(ThreadPool& threads, const Job& job) const;
  void run_by_channels(ThreadPool& threads, const Job& job) const;
  std::size_t block_tiles(const Job& job) const;
  void transform_input(const Job& job, const Block& block, TileRange tiles,
                       float* transformed) const;
  void point_at_pixels(const Job& job, const TilePlace& place, WinogradInputTile& input) const;
  void multiply(const Job& job, const Block& block, std::size_t output, const float* transformed,
                float* product) const;
  void transform_output(const Job& job, const Block& block, std::size_t output,
                        const float* product) const;

  const KernelTable& kernels_;
  ConvolutionShape shape_;
  WinogradBlocking blocking_;
  AxisTiling rows_{}, columns_{};
};

}  // namespace graft::cpu
