#include "engine/backend/cuda/backbone_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/backend/cuda/cudnn_convolution.h"
#include "engine/base/error.h"

namespace graft::cuda {
namespace {

constexpr std::size_t boundary = 256;  // what cudaMalloc promises
constexpr std::size_t pixel_bytes = 16;

std::size_t rounded_up(std::size_t bytes) {
  return (bytes + boundary - 1) / boundary * boundary;
}

// After this no product below wraps.
void check_options(const BackboneOptions& options) {
  vgg16_feature_shape(options.image_size);  // throws below 32×32
  if (options.batch_size == 0) {
    throw Error(ErrorKind::usage, "The backbone's batch_size is 0; it must be at least 1.");
  }
  if (options.algorithm != ConvolutionAlgorithm::automatic) {
    throw Error(ErrorKind::usage,
                fmt::format("backbone.algorithm \"{}\" needs a CPU; on a GPU choose \"auto\".",
                            name_of(options.algorithm)));
  }
  constexpr double most = 1e17;  // bytes
  const double pixels = static_cast<double>(options.image_size.height) * options.image_size.width;
  const double values = pixels * static_cast<double>(vgg16_layers[0].output_channels);
  if (values * sizeof(float) * static_cast<double>(options.batch_size) > most) {
    throw Error(
        ErrorKind::usage,
        fmt::format("Images of {}×{} in batches of {} are more than any device holds; "
                    "choose a smaller data.image_size or backbone.batch_size.",
                    options.image_size.height, options.image_size.width, options.batch_size));
  }
}

}  // namespace

std::size_t input_channels(Precision precision) {
  return pixel_bytes / storage_bytes(precision);
}

std::array<LayerShape, vgg16_convolutions> layer_shapes(const BackboneOptions& options) {
  auto shapes = vgg16_shapes(options.image_size);
  shapes[0].inputs = input_channels(options.precision);
  return shapes;
}

WeightLayout weight_layout(const BackboneOptions& options) {
  WeightLayout layout{};
  const auto take = [&](std::size_t bytes) {
    const std::size_t offset = layout.bytes;
    layout.bytes += rounded_up(bytes);
    return offset;
  };
  const auto shapes = layer_shapes(options);
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const LayerShape& shape = shapes[layer];
    const std::size_t value = storage_bytes(options.precision);
    layout.filters[layer] = take(9 * shape.inputs * shape.outputs * value);
    layout.stored_bias[layer] = take(shape.outputs * value);
    layout.bias[layer] = take(shape.outputs * sizeof(float));
  }
  layout.tables = take(std::size_t{3} * 256 * sizeof(float));
  return layout;
}

BackboneMemory backbone_memory(const BackboneOptions& options, std::size_t workspace_bytes) {
  check_options(options);
  const std::size_t pixels = std::size_t{options.image_size.height} * options.image_size.width;
  std::size_t plane = pixels * input_channels(options.precision);
  for (const LayerShape& shape : layer_shapes(options)) {
    plane = std::max(plane, shape.height * shape.width * shape.outputs);
  }
  const std::size_t features = vgg16_feature_shape(options.image_size).count();
  BackboneMemory memory;
  memory.activation_bytes =
      rounded_up(options.batch_size * plane * storage_bytes(options.precision));
  memory.workspace_bytes = rounded_up(workspace_bytes);
  memory.weight_bytes = weight_layout(options).bytes;
  memory.image_bytes = backbone_slots * rounded_up(options.batch_size * pixels * 3);
  memory.feature_bytes = backbone_slots * rounded_up(options.batch_size * features * sizeof(float));
  return memory;
}

}  // namespace graft::cuda
