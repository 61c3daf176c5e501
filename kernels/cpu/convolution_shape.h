#pragma once
// What a convolution layer is asked to do, whatever the algorithm.

#include <cstddef>

namespace graft::cpu {

// 3×3 convolution with a border of zeros, bias, ReLU and, if asked, the 2×2 max-pool with stride 2.
// A last odd row or column is then not computed.
struct ConvolutionShape {
  std::size_t height, width;    // of the input plane, ≥ 1 (≥ 2 with the pool)
  std::size_t inputs, outputs;  // channels, multiples of channel_block
  bool pooled;

  std::size_t output_height() const;
  std::size_t output_width() const;
  void check() const;  // throws std::invalid_argument when a rule above is broken
};

// Images of one layer. (y, x, channel) order.
struct Planes {
  std::size_t images;
  const float* input;
  std::size_t input_stride;  // floats from one image to the next
  float* output;
  std::size_t output_stride;
};

}  // namespace graft::cpu
