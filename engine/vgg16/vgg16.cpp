#include "engine/vgg16/vgg16.h"

#include <fmt/format.h>

#include "engine/base/error.h"

namespace graft {
namespace {

void check_size(ImageSize image) {
  if (image.height >= vgg16_smallest_image && image.width >= vgg16_smallest_image) return;
  throw Error(ErrorKind::usage,
              fmt::format("Images of {}×{} are too small for VGG16, which halves them five times; "
                          "data.image_size must be at least [32, 32].",
                          image.height, image.width));
}

}  // namespace

FeatureShape vgg16_feature_shape(ImageSize image) {
  const LayerShape last = vgg16_shapes(image).back();
  return {last.output_height(), last.output_width(), last.outputs};
}

std::array<LayerShape, vgg16_convolutions> vgg16_shapes(ImageSize image) {
  check_size(image);
  std::array<LayerShape, vgg16_convolutions> shapes{};
  std::size_t height = image.height, width = image.width;
  for (std::size_t i = 0; i < vgg16_convolutions; ++i) {
    const Vgg16Layer& layer = vgg16_layers[i];
    shapes[i] = {height, width, layer.input_channels, layer.output_channels, layer.pool_after};
    height = shapes[i].output_height();
    width = shapes[i].output_width();
  }
  return shapes;
}

double convolution_flop(const LayerShape& shape) {
  const std::size_t kept = shape.pool_after ? 4 : 1;
  const auto positions = static_cast<double>(kept * shape.output_height() * shape.output_width());
  return 2.0 * positions * static_cast<double>(shape.weights());
}

double vgg16_flop(ImageSize image) {
  double flop = 0.0;
  for (const LayerShape& shape : vgg16_shapes(image)) flop += convolution_flop(shape);
  return flop;
}

}  // namespace graft
