#include "engine/vgg16/vgg16.h"

#include <algorithm>

#include "engine/base/error.h"

namespace graft {
namespace {

void check_size(ImageSize image) {
  if (image.height >= vgg16_smallest_image && image.width >= vgg16_smallest_image) return;
  throw Error(ErrorKind::usage,
              "Images of {}×{} are too small for VGG16, which halves them five times; "
              "data.image_size must be at least [32, 32].",
              image.height, image.width);
}

void check_source(const FeatureSource& source) {
  const std::vector<Layer>& layers = source.layers;
  const bool ascend =
      std::ranges::adjacent_find(layers, std::ranges::greater_equal{}) == layers.end();
  const bool has_pooling = source.pooling != Pooling::none;
  if (!layers.empty() && ascend && (layers.size() == 1 || has_pooling)) return;
  throw Error(ErrorKind::usage,
              "Features need one layer, or several that ascend and a features.pooling other than "
              "\"none\".");
}

std::size_t channels_of(Layer layer) {
  return vgg16_layers[convolutions_up_to(layer) - 1].output_channels;
}

}  // namespace

FeatureShape vgg16_feature_shape(ImageSize image, const FeatureSource& source) {
  check_source(source);
  const LayerShape last = vgg16_shapes(image)[convolutions_up_to(source.layers.back()) - 1];
  if (source.pooling == Pooling::none) {
    return {last.output_height(), last.output_width(), last.outputs};
  }
  std::size_t channels = 0;
  for (const Layer layer : source.layers) channels += channels_of(layer);
  return {1, 1, source.pooling == Pooling::average_max ? 2 * channels : channels, true};
}

std::vector<FeatureGroup> vgg16_feature_groups(ImageSize image, const FeatureSource& source) {
  const FeatureShape shape = vgg16_feature_shape(image, source);
  if (!shape.pooled) return {{source.layers.back(), Pooling::none, 0, shape.count()}};
  std::vector<FeatureGroup> groups;
  std::size_t first = 0;
  for (const Layer layer : source.layers) {
    for (const Pooling statistic : {Pooling::average, Pooling::max}) {
      if (source.pooling != statistic && source.pooling != Pooling::average_max) continue;
      groups.push_back({layer, statistic, first, channels_of(layer)});
      first += channels_of(layer);
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

double vgg16_flop(ImageSize image, const FeatureSource& source) {
  const auto shapes = vgg16_shapes(image);
  double flop = 0.0;
  for (std::size_t layer = 0; layer < convolutions_of(source); ++layer) {
    flop += convolution_flop(shapes[layer]);
  }
  return flop;
}

}  // namespace graft
