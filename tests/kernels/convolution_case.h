#pragma once
// A convolution layer with random weights and images, and its result by the reference.

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "kernels/cpu/convolution.h"
#include "tests/kernels/guarded_floats.h"

namespace graft::test {

struct ConvolutionCase {
  cpu::ConvolutionShape shape;
  std::size_t images;
  std::vector<float> input, kernel, bias;

  explicit ConvolutionCase(const cpu::ConvolutionShape& shape, std::size_t images = 1);

  std::size_t input_size() const { return shape.height * shape.width * shape.inputs; }
  std::size_t output_size() const {
    return shape.output_height() * shape.output_width() * shape.outputs;
  }
  ConvolutionCase image(std::size_t index) const;  // that image alone
  std::vector<float> plain() const;                // by the plain loop in double

  // By `layer`, of this shape.
  std::vector<float> by(const cpu::Convolution& layer, std::size_t threads,
                        std::size_t offset) const {
    cpu::ThreadPool pool(threads);
    GuardedFloats packed(layer.weights_size(), offset);
    GuardedFloats scratch(layer.scratch_size(threads), offset);
    GuardedFloats from(input, offset), biases(bias, offset), to(images * output_size(), offset);
    layer.pack_weights(pool, kernel.data(), packed.data());
    // Scratch may hold anything.
    std::ranges::fill(scratch.values(), std::numeric_limits<float>::quiet_NaN());
    layer.run(pool, packed.data(), biases.data(),
              {images, from.data(), input_size(), to.data(), output_size()}, scratch.data());
    EXPECT_TRUE(packed.guards_intact());
    EXPECT_TRUE(scratch.guards_intact());
    EXPECT_TRUE(to.guards_intact());
    return {to.values().begin(), to.values().end()};
  }
};

}  // namespace graft::test
