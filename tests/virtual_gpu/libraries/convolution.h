#pragma once
// A two-dimensional cross-correlation in float, as matrix products over gathered windows.

#include <cstdint>

namespace vgpu {

struct ConvolutionShape {
  std::int64_t n, c, h, w;  // input, NHWC
  std::int64_t k, r, s;     // filters, KRSC
  std::int64_t p, q;        // output, NPQK
  std::int64_t pad[2], stride[2], dilation[2];
};

void convolve(const ConvolutionShape& shape, const float* x, const float* w, float* y);

}  // namespace vgpu
