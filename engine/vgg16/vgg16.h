#pragma once
// The geometry of VGG16 without its top: layers, shapes, arithmetic and storage.
// Every other description of the network in this project is derived from this one.
// Source: Simonyan and Zisserman 2014, configuration D.

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "engine/config/config.h"

namespace graft {

// A 3×3 convolution with stride 1 and zero padding 1, then bias and ReLU.
struct Vgg16Layer {
  std::string_view name;  // a literal, block1_conv1 … block5_conv3
  std::size_t input_channels;
  std::size_t output_channels;
  bool pool_after;  // a 2×2 max-pool with stride 2 follows
};

inline constexpr std::size_t vgg16_convolutions = 13;
inline constexpr std::array<Vgg16Layer, vgg16_convolutions> vgg16_layers = {{
    {"block1_conv1", 3, 64, false},
    {"block1_conv2", 64, 64, true},
    {"block2_conv1", 64, 128, false},
    {"block2_conv2", 128, 128, true},
    {"block3_conv1", 128, 256, false},
    {"block3_conv2", 256, 256, false},
    {"block3_conv3", 256, 256, true},
    {"block4_conv1", 256, 512, false},
    {"block4_conv2", 512, 512, false},
    {"block4_conv3", 512, 512, true},
    {"block5_conv1", 512, 512, false},
    {"block5_conv2", 512, 512, false},
    {"block5_conv3", 512, 512, true},
}};
inline constexpr std::size_t vgg16_parameters = 14'714'688;
inline constexpr std::uint32_t vgg16_smallest_image = 32;  // it is halved five times

// Features of one image: a feature map, or pooled: 1 × 1 × all numbers.
struct FeatureShape {
  std::size_t height = 0, width = 0, channels = 0;
  bool pooled = false;
  std::size_t count() const { return height * width * channels; }
  std::vector<std::size_t> dimensions() const {  // of a row of features.npy
    if (pooled) return {channels};
    return {height, width, channels};
  }
  auto operator<=>(const FeatureShape&) const = default;
};
// Throws Error(usage) for an image below 32×32, for layers that do not ascend, and for more than one
// without pooling.
FeatureShape vgg16_feature_shape(ImageSize image, const FeatureSource& source = {});

// The columns of features that belong together: one statistic of one layer, or one feature map.
struct FeatureGroup {
  Layer layer;
  Pooling statistic;  // average or max; none: a feature map
  std::size_t first, columns;
  bool is_statistic_of(std::size_t convolution) const;  // of its output after the pool
};
std::vector<FeatureGroup> vgg16_feature_groups(ImageSize image, const FeatureSource& source);

// The convolutions of the blocks up to this one.
constexpr std::size_t convolutions_up_to(Layer layer) {
  return std::array<std::size_t, 5>{2, 4, 7, 10, 13}.at(static_cast<std::size_t>(layer));
}
inline bool FeatureGroup::is_statistic_of(std::size_t convolution) const {
  return statistic != Pooling::none && convolutions_up_to(layer) == convolution + 1;
}
// Those that the features need: none after the last layer.
inline std::size_t convolutions_of(const FeatureSource& source) {
  return convolutions_up_to(source.layers.back());
}

// A layer at one image size. height and width are those of the convolution's input and output.
struct LayerShape {
  std::size_t height, width;
  std::size_t inputs, outputs;  // channels
  bool pool_after;
  std::size_t output_height() const { return pool_after ? height / 2 : height; }
  std::size_t output_width() const { return pool_after ? width / 2 : width; }
  std::size_t weights() const { return 9 * inputs * outputs; }  // without the bias
};
// Throws Error(usage) for an image below 32×32.
std::array<LayerShape, vgg16_convolutions> vgg16_shapes(ImageSize image);

// Floating-point operations of one image by direct convolution, a multiplication and an addition
// each. Rows and columns that a pool's rounding down drops are not counted.
double convolution_flop(const LayerShape& shape);
double vgg16_flop(ImageSize image, const FeatureSource& source = {});  // of all that is computed

// What an activation or a weight is stored as: tf32 is stored as fp32.
constexpr Precision storage_precision(Precision precision) {
  return precision == Precision::tf32 ? Precision::fp32 : precision;
}
constexpr std::size_t storage_bytes(Precision precision) {
  return storage_precision(precision) == Precision::fp32 ? 4 : 2;
}

}  // namespace graft
