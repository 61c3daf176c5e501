#pragma once
// The first convolution of VGG16: 3×3 over 3 channels, bias, ReLU. Too few channels for Winograd to
// gain: 27 multiply-adds an output, directly. A register tile of a few pixels of one row × a few
// vectors of channels keeps its sums while the 27 taps run.
//
// Bytes moved for an output pixel: 12 read, 4·outputs written.

#include <cstddef>

namespace graft::cpu {

struct RgbConvolution {
  std::size_t width;    // of the output
  std::size_t outputs;  // channels, a multiple of channel_block
  const float* input;   // (height + 2) × (width + 2) × 3: the image with a border of zeros
  const float* kernel;  // 3 × 3 × 3 × outputs (HWIO)
  const float* bias;    // outputs
  float* output;        // height × width × outputs
  std::size_t first_row, rows;  // the output rows to compute
};
using ConvolutionRgb = void(const RgbConvolution& convolution);

}  // namespace graft::cpu
