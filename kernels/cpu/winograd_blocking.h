#pragma once
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

#include <cstddef>

#include "kernels/cpu/convolution.h"

namespace graft::cpu {

struct WinogradBlocking {
  std::size_t tiles;    // in a block, ≥ 1
  std::size_t outputs;  // channels in a block, a multiple of channel_block
  bool by_channels;
};

// threads ≥ 1.
WinogradBlocking winograd_blocking(const ConvolutionShape& shape, const KernelTable& kernels,
                                   std::size_t threads);

}  // namespace graft::cpu
