#pragma once
// What follows a convolution, for outputs that a GEMM left in rows: bias and ReLU, and with the
// pool the largest of each 2×2 window first (see winograd_output.cpp).
//
// Bytes moved for an output: 4 read (16 with the pool), 4 written.

#include <cstddef>

namespace graft::cpu {

struct FinishOutputs {
  std::size_t pixels;    // to write
  std::size_t channels;  // a multiple of channel_block
  const float* product;  // without the pool: a row of channels for each pixel; with it, 2·pixels
  std::size_t product_stride;  // … rows of the upper and then 2·pixels of the lower line. Floats
  bool pooled;
  const float* bias;  // channels
  float* target;      // channel 0 of the first pixel
  std::size_t pixel_stride;
};
using Finish = void(const FinishOutputs& outputs);

}  // namespace graft::cpu
