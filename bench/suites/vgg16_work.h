#pragma once
// The 13 convolutions of VGG16 at a size of image: shapes, and what each needs at least.

#include <array>
#include <cstddef>
#include <string_view>

#include "bench/harness/case.h"
#include "engine/config/config.h"
#include "engine/weights/vgg16_weights.h"

namespace graft::bench {

struct LayerWork {
  std::string_view name;      // block1_conv1
  std::size_t height, width;  // of the input plane
  std::size_t inputs, outputs;
  bool pooled;  // a 2×2 max-pool with stride 2 follows
  // Of one image, by a direct convolution that leaves out what floor pooling drops: a product and a
  // sum each.
  double flop;
  double input_values, output_values;  // of one image; outputs after the pool
  double weight_values;                // kernel and bias
};

inline std::array<LayerWork, vgg16_convolutions> vgg16_work(ImageSize image) {
  std::array<LayerWork, vgg16_convolutions> work{};
  std::size_t height = image.height, width = image.width;
  for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
    const Vgg16Layer& layer = vgg16_layers[i];
    const std::size_t halving = layer.pool_after ? 2 : 1;
    const std::size_t rows = height / halving, columns = width / halving;
    const auto pixels = static_cast<double>(rows * columns);
    const auto kernel = static_cast<double>(9 * layer.input_channels * layer.output_channels);
    work[i] = {layer.name,
               height,
               width,
               layer.input_channels,
               layer.output_channels,
               layer.pool_after,
               2.0 * kernel * pixels * static_cast<double>(halving * halving),
               static_cast<double>(height * width * layer.input_channels),
               pixels * static_cast<double>(layer.output_channels),
               kernel + static_cast<double>(layer.output_channels)};
    height = rows;
    width = columns;
  }
  return work;
}

// Of one image through all 13.
inline double vgg16_flop(ImageSize image) {
  double flop = 0.0;
  for (const LayerWork& layer : vgg16_work(image)) flop += layer.flop;
  return flop;
}

// Bytes of a value in the memory of a backbone of this precision.
inline std::size_t value_bytes(Precision precision) {
  return precision == Precision::fp16 || precision == Precision::bf16 ? 2 : 4;
}

// Of a layer with its bias, ReLU and pool on `images` images, the same by whatever way it is
// computed: what a way moves beyond it, as a plane before its pool, is that way's loss.
inline Cost cost_of(const LayerWork& layer, std::size_t images, Precision precision) {
  const auto count = static_cast<double>(images);
  const double values = count * (layer.input_values + layer.output_values) + layer.weight_values;
  return {count * layer.flop, static_cast<double>(value_bytes(precision)) * values, precision};
}

}  // namespace graft::bench
