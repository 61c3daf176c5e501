#include "kernels/cpu/gemm_convolution.h"

#include <algorithm>
#include <functional>

#include "kernels/cpu/divide_up.h"

namespace graft::cpu {
namespace {

constexpr std::size_t strip_bytes = std::size_t{256} << 10U;  // of A

}  // namespace

GemmConvolution::GemmConvolution(const KernelTable& kernels, const ConvolutionShape& shape)
    : kernels_(kernels), shape_(shape), strip_pixels_(0) {
  shape.check();
  const std::size_t bytes = lines() * lines() * depth() * sizeof(float);
  strip_pixels_ = std::clamp<std::size_t>(strip_bytes / bytes, 1, shape.output_width());
}

std::size_t GemmConvolution::padded_outputs() const {
  return divide_up(shape_.outputs, kernels_.gemm_columns) * kernels_.gemm_columns;
}

std::size_t GemmConvolution::strips() const {
  return divide_up(shape_.output_width(), strip_pixels_);
}

std::size_t GemmConvolution::weights_size() const {
  return depth() * padded_outputs();
}

std::size_t GemmConvolution::scratch_size(std::size_t threads) const {
  const std::size_t rows = lines() * lines() * strip_pixels_;
  const std::size_t padded_rows = divide_up(rows, kernels_.gemm_rows) * kernels_.gemm_rows;
  return threads * (padded_rows * depth() + rows * padded_outputs());
}

void GemmConvolution::pack_weights(ThreadPool& threads, const float* kernel, float* packed) const {
  const std::size_t width = kernels_.gemm_columns;
  const auto panel = [&](std::size_t index, std::size_t) {
    float* target = packed + index * depth() * width;
    for (std::size_t k = 0; k < depth(); ++k) {
      for (std::size_t lane = 0; lane < width; ++lane) {
        const std::size_t output = index * width + lane;
        *target++ = output < shape_.outputs ? kernel[k * shape_.outputs + output] : 0.0F;
      }
    }
  };
  threads.parallel_for(padded_outputs() / width, std::cref(panel));
}

void GemmConvolution::run(ThreadPool& threads, const float* weights, const float* bias,
                          const FeatureMaps& maps, float* scratch) const {
  const std::size_t scratch_of_thread = scratch_size(1);
  const auto piece = [&](std::size_t index, std::size_t thread) {
    const std::size_t line = index / strips(), first = index % strips() * strip_pixels_;
    const Strip strip{line / shape_.output_height(), line % shape_.output_height(), first,
                      std::min(strip_pixels_, shape_.output_width() - first)};
    const std::size_t rows = lines() * lines() * strip.pixels;
    float* product = scratch + thread * scratch_of_thread;
    float* packed = product + lines() * lines() * strip_pixels_ * padded_outputs();
    gather(strip, maps.input + strip.image * maps.input_stride, packed);
    kernels_.gemm(
        {rows, padded_outputs(), depth(), packed, weights, weights, product, padded_outputs()});
    float* target = maps.output + strip.image * maps.output_stride +
                    (strip.row * shape_.output_width() + first) * shape_.outputs;
    kernels_.finish({strip.pixels, shape_.outputs, product, padded_outputs(), shape_.pooled, bias,
                     target, shape_.outputs});
  };
  threads.parallel_for(maps.images * shape_.output_height() * strips(), std::cref(piece));
}

// A for one strip: the pixels of its upper row, then of the lower one.
void GemmConvolution::gather(const Strip& strip, const float* image, float* packed) const {
  std::size_t row = 0;
  for (std::size_t line = 0; line < lines(); ++line) {
    for (std::size_t pixel = 0; pixel < lines() * strip.pixels; ++pixel, ++row) {
      gather_window(strip.row * lines() + line, strip.first * lines() + pixel, image,
                    packed + row / kernels_.gemm_rows * kernels_.gemm_rows * depth() +
                        row % kernels_.gemm_rows * channel_block);
    }
  }
}

// The 3×3 window around output (y, x) as one row of packed A.
void GemmConvolution::gather_window(std::size_t y, std::size_t x, const float* image,
                                    float* row) const {
  const std::size_t step = kernels_.gemm_rows * channel_block;
  for (std::size_t tap = 0; tap < 9; ++tap) {
    const std::size_t from_y = y + tap / 3, from_x = x + tap % 3;  // + 1, for the border
    const bool inside =
        from_y >= 1 && from_y <= shape_.height && from_x >= 1 && from_x <= shape_.width;
    for (std::size_t channel = 0; channel < shape_.inputs; channel += channel_block, row += step) {
      if (inside) {
        const std::size_t pixel = (from_y - 1) * shape_.width + from_x - 1;
        std::copy_n(image + pixel * shape_.inputs + channel, channel_block, row);
      } else {
        std::fill_n(row, channel_block, 0.0F);
      }
    }
  }
}

}  // namespace graft::cpu
