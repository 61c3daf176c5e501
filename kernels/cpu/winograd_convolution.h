#pragma once
// One convolution layer by Winograd's F(m×m, 3×3) (winograd.h), on all threads.
//
// The work goes in blocks of tiles and of output channels (WinogradBlocking):
//
//   input ─▶ input transform ─▶ V ─▶ a GEMM for each of ─▶ M ─▶ output transform ─▶ output
//            `tiles` tiles           up to 64 positions          bias, ReLU, pool
//                                           ▲
//                    U, packed weights, `outputs` channels of each position, from memory
//
// Three things are fetched before they are needed, because memory takes longer to answer than a
// processor can look ahead: the pixels of the next tile during an input transform, the cache lines
// of the next tile's outputs during an output transform, and the weights of the next position
// during a GEMM.

#include <cstddef>

#include "kernels/cpu/convolution.h"
#include "kernels/cpu/tiling.h"

namespace graft::cpu {

// Blocking of a Winograd layer: a block's intermediate results are read again while they are in a
// near cache. The blocking and the threads that share the blocks do not change what is computed.
//
//   by tiles     each thread takes a block of tiles through all steps, in scratch memory of its own:
//                large feature maps with few channels. V and M stay in or near the second-level cache:
//                4·64·24·(64 + 64) bytes are 786 KB in block1_conv2. The weights, 1 to 8 MiB, pass
//                through it once a block.
//   by channels  all threads transform one block of tiles, then each takes blocks of output
//                channels through GEMM and output transform: small feature maps with many channels, where
//                the weights (16 to 64 MiB) come from memory and must be read few times. V goes
//                through the last-level cache; the part of one position, 4·84·512 bytes, stays in
//                the second-level one. Blocks of channels are all that threads can share: 256
//                channels keep 8 threads busy, 512 keep 16.
struct WinogradBlocking {
  std::size_t tiles;    // in a block, ≥ 1
  std::size_t outputs;  // channels in a block, a multiple of channel_block
  bool by_channels;
};

// threads ≥ 1.
WinogradBlocking winograd_blocking(const ConvolutionShape& shape, const KernelTable& kernels,
                                   std::size_t threads);

class WinogradConvolution final : public Convolution {
 public:
  // Throws std::invalid_argument for a shape or a blocking that breaks the rules above.
  WinogradConvolution(const KernelTable& kernels, const ConvolutionShape& shape, TileGoal goal,
                      const WinogradBlocking& blocking);

  std::size_t weights_size() const override;
  std::size_t scratch_size(std::size_t threads) const override;
  void pack_weights(ThreadPool& threads, const float* kernel, float* packed) const override;
  void run(ThreadPool& threads, const float* weights, const float* bias, const FeatureMaps& maps,
           float* scratch) const override;

 private:
  struct Job;
  class Block;
  std::size_t point_rows() const { return tiling_.rows.large + 2; }
  std::size_t point_columns() const { return tiling_.columns.large + 2; }
  std::size_t positions() const { return point_rows() * point_columns(); }
  std::size_t panels() const;
  std::size_t transformed_stride() const;  // floats of V for one position
  std::size_t product_stride() const;      // floats of M for one position
  void run_by_tiles(ThreadPool& threads, const Job& job) const;
  void run_by_channels(ThreadPool& threads, const Job& job) const;
  std::size_t block_tiles(const Job& job, std::size_t sharers) const;
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
  Tiling tiling_;
};

}  // namespace graft::cpu
