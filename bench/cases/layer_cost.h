#pragma once
// The cost of a convolution of VGG16 with its bias, ReLU and pool.

#include "bench/harness/case.h"
#include "engine/vgg16/vgg16.h"

namespace graft::bench {

// For `images` images, the same for every algorithm. What an algorithm moves beyond it, such as the
// activations before a pool, lowers its share.
inline Cost layer_cost(const LayerShape& shape, std::size_t images, Precision precision) {
  const std::size_t input = shape.height * shape.width * shape.inputs;
  const std::size_t output = shape.output_height() * shape.output_width() * shape.outputs;
  const auto count = static_cast<double>(images);
  const double values = count * static_cast<double>(input + output) +
                        static_cast<double>(shape.weights() + shape.outputs);
  return {count * convolution_flop(shape), static_cast<double>(storage_bytes(precision)) * values,
          precision};
}

}  // namespace graft::bench
