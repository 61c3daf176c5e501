#include "kernels/cpu/convolution_rgb.h"

#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

static constexpr std::size_t taps = 27;
static constexpr std::size_t tile_pixels = 6;
#if defined(__AVX512F__)
static constexpr std::size_t widest = 4;  // vectors of channels in a tile
#elif defined(__AVX2__)
static constexpr std::size_t widest = 2;
#else
static constexpr std::size_t widest = 4;
#endif

// Pixels × Vectors outputs of one row. `input` is the upper left of the first pixel's window.
template <std::size_t Pixels, std::size_t Vectors>
static void rgb_tile(const RgbConvolution& c, const float* input, std::size_t channel,
                     float* output) {
  Vector sum[Pixels][Vectors];
#pragma GCC unroll 8
  for (std::size_t pixel = 0; pixel < Pixels; ++pixel) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; ++v) sum[pixel][v] = zero();
  }
  const std::size_t row_stride = (c.width + 2) * 3;
  const float* kernel = c.kernel + channel;
  for (std::size_t y = 0; y < 3; ++y) {
    // A window's row is 9 neighbouring floats: 3 pixels of 3 channels.
    const float* window = input + y * row_stride;
    for (std::size_t tap = 0; tap < taps / 3; ++tap) {
      Vector weight[Vectors];
#pragma GCC unroll 4
      for (std::size_t v = 0; v < Vectors; ++v) weight[v] = load(kernel + v * Vector::width);
#pragma GCC unroll 8
      for (std::size_t pixel = 0; pixel < Pixels; ++pixel) {
        const Vector value = broadcast(window[pixel * 3 + tap]);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < Vectors; ++v) {
          sum[pixel][v] = multiply_add(value, weight[v], sum[pixel][v]);
        }
      }
      kernel += c.outputs;
    }
  }
#pragma GCC unroll 4
  for (std::size_t v = 0; v < Vectors; ++v) {
    const Vector bias = load(c.bias + channel + v * Vector::width);
#pragma GCC unroll 8
    for (std::size_t pixel = 0; pixel < Pixels; ++pixel) {
      float* target = output + pixel * c.outputs + channel + v * Vector::width;
      store(target, rectify(sum[pixel][v] + bias));
      __builtin_prefetch(target + Pixels * c.outputs, 1);  // the next tile's, or past the row
    }
  }
}

template <std::size_t Vectors>
static void rgb_row(const RgbConvolution& c, std::size_t row, std::size_t channel) {
  const float* input = c.input + row * (c.width + 2) * 3;
  float* output = c.output + row * c.width * c.outputs;
  std::size_t x = 0;
  for (; x + tile_pixels <= c.width; x += tile_pixels) {
    rgb_tile<tile_pixels, Vectors>(c, input + x * 3, channel, output + x * c.outputs);
  }
  for (; x < c.width; ++x) {
    rgb_tile<1, Vectors>(c, input + x * 3, channel, output + x * c.outputs);
  }
}

void convolution_rgb(const RgbConvolution& c) {
  for (std::size_t row = c.first_row; row < c.first_row + c.rows; ++row) {
    std::size_t channel = 0;
    for (; channel + widest * Vector::width <= c.outputs; channel += widest * Vector::width) {
      rgb_row<widest>(c, row, channel);
    }
    for (; channel < c.outputs; channel += Vector::width) rgb_row<1>(c, row, channel);
  }
}

}  // namespace graft::cpu::GRAFT_ISA
