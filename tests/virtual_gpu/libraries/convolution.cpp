#include "libraries/convolution.h"

#include <algorithm>
#include <vector>

#include "libraries/matrix_product.h"

namespace vgpu {
namespace {

constexpr std::int64_t kPixels = 96;  // gathered at a time: their windows stay in the second cache

// The r × s × c window of one output pixel; what lies outside the image is zero.
void gather(const ConvolutionShape& d, const float* x, std::int64_t pixel, float* window) {
  const std::int64_t image = pixel / (d.p * d.q);
  const std::int64_t top = pixel / d.q % d.p * d.stride[0] - d.pad[0];
  const std::int64_t left = pixel % d.q * d.stride[1] - d.pad[1];
  for (std::int64_t r = 0; r < d.r; ++r)
    for (std::int64_t s = 0; s < d.s; ++s, window += d.c) {
      const std::int64_t row = top + r * d.dilation[0];
      const std::int64_t column = left + s * d.dilation[1];
      if (row < 0 || row >= d.h || column < 0 || column >= d.w)
        std::fill_n(window, d.c, 0.0F);
      else
        std::copy_n(x + ((image * d.h + row) * d.w + column) * d.c, d.c, window);
    }
}

}  // namespace

void convolve(const ConvolutionShape& d, const float* x, const float* w, float* y) {
  const std::int64_t depth = d.r * d.s * d.c;
  const PackedMatrix filters(
      depth, d.k, [&](std::int64_t row, std::int64_t column) { return w[column * depth + row]; });
  in_parallel(d.n * d.p * d.q, [&](std::int64_t first, std::int64_t last) {
    std::vector<float> windows(static_cast<std::size_t>(kPixels * depth));
    for (std::int64_t pixel = first; pixel < last; pixel += kPixels) {
      const std::int64_t count = std::min(kPixels, last - pixel);
      for (std::int64_t n = 0; n < count; ++n) gather(d, x, pixel + n, windows.data() + n * depth);
      multiply_rows(count, windows.data(), depth, filters, y + pixel * d.k, d.k);
    }
  });
}

}  // namespace vgpu
