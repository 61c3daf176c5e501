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

void check_source(const FeatureSource& source) {
  if (!source.layers.empty() && (source.layers.size() == 1 || source.pooling != Pooling::none))
    return;
  throw Error(ErrorKind::usage,
              "Features need one layer, or several and a features.pooling other than \"none\".");
}

}  // namespace

FeatureShape vgg16_feature_shape(ImageSize image, const FeatureSource& source) {
  check_source(source);
  if (source.pooling != Pooling::none) {
    const FeatureGroup last = vgg16_feature_groups(image, source).back();
    return {1, 1, last.first + last.columns, true};
  }
  const LayerShape last = vgg16_shapes(image)[convolutions_up_to(source.layers.back()) - 1];
  return {last.output_height(), last.output_width(), last.outputs};
}

std::vector<FeatureGroup> vgg16_feature_groups(ImageSize image, const FeatureSource& source) {
  check_source(source);
  if (source.pooling == Pooling::none) {
    return {{source.layers.back(), Pooling::none, 0, vgg16_feature_shape(image, source).count()}};
  }
  const auto shapes = vgg16_shapes(image);
  std::vector<FeatureGroup> groups;
  std::size_t first = 0;
  for (const Layer layer : source.layers) {
    const std::size_t channels = shapes[convolutions_up_to(layer) - 1].outputs;
    for (const Pooling statistic : {Pooling::average, Pooling::max}) {
      if (source.pooling != statistic && source.pooling != Pooling::average_max) continue;
      groups.push_back({layer, statistic, first, channels});
      first += channels;
    }
  }
  return groups;
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
