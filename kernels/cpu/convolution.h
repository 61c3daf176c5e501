#pragma once
// Interface of a convolution layer, for any algorithm.

#include <cstddef>
#include <stdexcept>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cpu {

// 3×3 convolution with a border of zeros, bias, ReLU and, if asked, the 2×2 max-pool with stride 2.
// With the pool, a last odd row or column is not computed.
struct ConvolutionShape {
  std::size_t height, width;    // of the input, ≥ 1 (≥ 2 with the pool)
  std::size_t inputs, outputs;  // channels, multiples of channel_block
  bool pooled;

  std::size_t output_height() const { return pooled ? height / 2 : height; }
  std::size_t output_width() const { return pooled ? width / 2 : width; }
  // Throws std::invalid_argument when a rule above is broken.
  void check() const {
    if (output_height() == 0 || output_width() == 0)
      throw std::invalid_argument("a convolution needs at least one output");
    if (inputs == 0 || outputs == 0 || inputs % channel_block != 0 || outputs % channel_block != 0)
      throw std::invalid_argument("the channels of a convolution are multiples of 16");
  }
};

// Images of one layer, in (y, x, channel) order.
struct FeatureMaps {
  std::size_t images;
  const float* input;
  std::size_t input_stride;  // floats from one image to the next
  float* output;
  std::size_t output_stride;
};

class Convolution {
 public:
  virtual ~Convolution() = default;

  virtual std::size_t weights_size() const = 0;                     // floats, packed
  virtual std::size_t scratch_size(std::size_t threads) const = 0;  // floats

  // kernel: 3 × 3 × inputs × outputs (HWIO) → packed: weights_size() floats.
  virtual void pack_weights(ThreadPool& threads, const float* kernel, float* packed) const = 0;
  // weights: packed; bias: outputs floats; scratch: scratch_size(threads.threads()) floats, any
  // content, 64-byte aligned for speed.
  virtual void run(ThreadPool& threads, const float* weights, const float* bias,
                   const FeatureMaps& maps, float* scratch) const = 0;
};

}  // namespace graft::cpu
