#include "engine/backend/cpu/cpu_backbone.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "engine/backend/arithmetic.h"
#include "engine/backend/checks.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "engine/base/memory.h"
#include "kernels/cpu/divide_up.h"
#include "kernels/cpu/gemm_convolution.h"
#include "kernels/cpu/preprocess.h"
#include "kernels/cpu/winograd_convolution.h"

namespace graft::cpu {
namespace {

using Shapes = std::array<LayerShape, vgg16_convolutions>;

// Layers that run one after the other on one group of images.
struct Stage {
  std::size_t first_layer, last_layer;
  std::size_t cache_bytes;  // for the activations of a group
};
constexpr std::size_t mib = std::size_t{1} << 20U;
constexpr std::array<Stage, 2> stages = {{{0, 4, 16 * mib}, {4, 13, 64 * mib}}};

constexpr std::size_t rows_in_piece = 8;  // of the first convolution, for one thread

// A cache line more than a feature map needs: the same pixel of two images falls in different sets.
std::size_t image_stride(std::size_t height, std::size_t width, std::size_t channels) {
  return height * width * channels + channel_block;
}

std::size_t output_stride(const LayerShape& shape) {
  return image_stride(shape.output_height(), shape.output_width(), shape.outputs);
}

std::size_t rgb_stride(ImageSize image) {
  return image_stride(std::size_t{image.height} + 2, std::size_t{image.width} + 2, 3);
}

// Images in a group of a stage: as many as the cache holds, but no fewer than in the stage before.
std::size_t group_size(const Stage& stage, const Shapes& shapes, std::size_t batch_size,
                       std::size_t least) {
  std::size_t bytes = 1;
  for (std::size_t layer = std::max<std::size_t>(stage.first_layer, 1); layer < stage.last_layer;
       ++layer) {
    bytes = std::max(
        bytes, (output_stride(shapes[layer - 1]) + output_stride(shapes[layer])) * sizeof(float));
  }
  const std::size_t most =
      std::clamp<std::size_t>(stage.cache_bytes / bytes, std::min(least, batch_size), batch_size);
  const std::size_t groups = divide_up(batch_size, most);
  return divide_up(batch_size, groups);  // 16 images as 4 · 4, not 5 + 5 + 5 + 1
}

TileGoal tile_goal(std::size_t batch_size) {
  return batch_size == 1 ? TileGoal::one_image : TileGoal::many_images;
}

void check_backbone_memory(const BackboneOptions& options, double bytes) {
  check_memory(fmt::format("The backbone for images of {}×{} in batches of {}",
                           options.image_size.height, options.image_size.width, options.batch_size),
               bytes, "choose a smaller data.image_size or backbone.batch_size");
}

class CpuBackbone final : public Backbone {
 public:
  CpuBackbone(const Vgg16Weights& weights, const BackboneOptions& options, ThreadPool& threads,
              const KernelTable& kernels, Tracer* tracer);

  Ticket submit(std::span<const std::uint8_t> images, std::size_t count,
                std::span<float> features) override;
  void wait(Ticket) override {}  // submit has done the work

 private:
  struct Group {
    std::size_t images = 0;
    AlignedFloats activations[2];  // outputs inside the stage, by turns
    // Input of the next stage: as many images as its group has. Of the last stage: outputs that
    // are only pooled, as many as this group has; none where they are the features.
    AlignedFloats result;
  };
  struct Layer {
    std::unique_ptr<Convolution> convolution;  // null: the first layer
    AlignedFloats weights;                     // packed
    AlignedFloats bias;
  };

  void make_layer(std::size_t layer);
  void take_memory();
  void take_weights(const Vgg16Weights& weights);
  bool is_pooled() const { return options_.features.pooling != Pooling::none; }
  std::size_t last_layer(std::size_t stage) const {
    return std::min(stages[stage].last_layer, layers_.size());
  }
  void run_stage(std::size_t stage, const std::uint8_t* images, std::size_t count, float* features);
  void run_layers(std::size_t stage, std::size_t count, float* output, std::size_t stride,
                  float* features);
  void pool_features(std::size_t layer, const FeatureMaps& maps, float* features);
  void run_first_layer(const std::uint8_t* images, std::size_t count, float* output);

  const BackboneOptions options_;
  ThreadPool& threads_;
  const KernelTable& kernels_;
  const Shapes shapes_;
  const PixelTables tables_;
  const std::size_t feature_count_;  // of an image
  const std::vector<FeatureGroup> feature_groups_;
  std::vector<Layer> layers_;  // those that the features need
  std::vector<Group> groups_;  // of the stages that have such layers
  AlignedFloats rgb_;      // preprocessed images of the first stage's group, with a border of zeros
  AlignedFloats scratch_;  // of one layer at a time
  Tracer* const tracer_;
  Ticket last_ = 0;
};

// Before any shape is multiplied out.
void check_least_memory(const BackboneOptions& options) {
  const std::size_t features = vgg16_feature_shape(options.image_size, options.features).count();
  // What no grouping can avoid: one image's first activations, and the features of a batch. After
  // this the counts of take_memory() cannot wrap.
  const double pixels = static_cast<double>(options.image_size.height) * options.image_size.width;
  const double first = pixels * static_cast<double>(vgg16_layers[0].output_channels);
  check_backbone_memory(
      options, (first + static_cast<double>(features) * static_cast<double>(options.batch_size)) *
                   sizeof(float));
}

CpuBackbone::CpuBackbone(const Vgg16Weights& weights, const BackboneOptions& options,
                         ThreadPool& threads, const KernelTable& kernels, Tracer* tracer)
    : options_(options),
      threads_(threads),
      kernels_(kernels),
      shapes_(vgg16_shapes(options.image_size)),
      tables_(pixel_tables(options.preprocess)),
      feature_count_(vgg16_feature_shape(options.image_size, options.features).count()),
      feature_groups_(vgg16_feature_groups(options.image_size, options.features)),
      layers_(convolutions_of(options.features)),
      groups_(layers_.size() > stages[1].first_layer ? 2 : 1),
      tracer_(tracer) {
  check_weights(weights);
  for (std::size_t layer = 1; layer < layers_.size(); ++layer) make_layer(layer);
  std::size_t least = 1;
  for (std::size_t stage = 0; stage < groups_.size(); ++stage) {
    least = groups_[stage].images = group_size(stages[stage], shapes_, options.batch_size, least);
  }
  take_memory();
  take_weights(weights);
}

void CpuBackbone::make_layer(std::size_t layer) {
  const LayerShape& of_layer = shapes_[layer];
  const ConvolutionShape shape = {of_layer.height, of_layer.width, of_layer.inputs,
                                  of_layer.outputs, of_layer.pool_after};
  if (options_.algorithm == ConvolutionAlgorithm::direct) {
    layers_[layer].convolution = std::make_unique<GemmConvolution>(kernels_, shape);
  } else {
    layers_[layer].convolution = std::make_unique<WinogradConvolution>(
        kernels_, shape, tile_goal(options_.batch_size),
        winograd_blocking(shape, kernels_, threads_.threads()));
  }
}

// Takes all memory, after a check that the machine can hold it.
void CpuBackbone::take_memory() {
  struct Buffer {
    AlignedFloats& memory;
    std::size_t floats;
  };
  std::vector<Buffer> buffers = {{rgb_, groups_[0].images * rgb_stride(options_.image_size)},
                                 {layers_[0].weights, shapes_[0].weights()}};
  std::size_t scratch = 0;
  for (std::size_t layer = 1; layer < layers_.size(); ++layer) {
    const Convolution& convolution = *layers_[layer].convolution;
    buffers.push_back({layers_[layer].weights, convolution.weights_size()});
    scratch = std::max(scratch, convolution.scratch_size(threads_.threads()));
  }
  buffers.push_back({scratch_, scratch});
  for (std::size_t stage = 0; stage < groups_.size(); ++stage) {
    Group& group = groups_[stage];
    const std::size_t last = last_layer(stage) - 1;
    std::size_t turns[2] = {};
    for (std::size_t layer = stages[stage].first_layer; layer < last; ++layer) {
      turns[layer % 2] = std::max(turns[layer % 2], output_stride(shapes_[layer]));
    }
    buffers.push_back({group.activations[0], group.images * turns[0]});
    buffers.push_back({group.activations[1], group.images * turns[1]});
    const bool is_last = stage + 1 == groups_.size();
    if (is_last && !is_pooled()) continue;  // its result is the caller's
    buffers.push_back(
        {group.result, groups_[stage + (is_last ? 0 : 1)].images * output_stride(shapes_[last])});
  }
  double floats = 0;
  for (const Buffer& buffer : buffers) floats += static_cast<double>(buffer.floats);
  check_backbone_memory(options_, floats * sizeof(float));
  for (const Buffer& buffer : buffers) {
    buffer.memory = AlignedFloats::uninitialised(buffer.floats);
  }
  std::ranges::fill(rgb_.values(), 0.0F);
}

void CpuBackbone::take_weights(const Vgg16Weights& weights) {
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const auto& [kernel, bias] = weights.layers[layer];
    Layer& to = layers_[layer];
    to.bias = AlignedFloats(bias.size());
    std::ranges::copy(bias, to.bias.data());
    if (to.convolution) {
      to.convolution->pack_weights(threads_, kernel.data(), to.weights.data());
    } else {
      std::ranges::copy(kernel, to.weights.data());
    }
  }
}

Backbone::Ticket CpuBackbone::submit(std::span<const std::uint8_t> images, std::size_t count,
                                     std::span<float> features) {
  check_batch(images, count, features, options_);
  run_stage(groups_.size() - 1, images.data(), count, features.data());
  return ++last_;
}

// The features are rows of these images.
void CpuBackbone::run_stage(std::size_t stage, const std::uint8_t* images, std::size_t count,
                            float* features) {
  const std::size_t image_bytes =
      std::size_t{options_.image_size.height} * options_.image_size.width * 3;
  const bool is_last = stage + 1 == groups_.size();
  const bool writes_features = is_last && !is_pooled();
  float* output = writes_features ? features : groups_[stage].result.data();
  const std::size_t stride =
      writes_features ? feature_count_ : output_stride(shapes_[last_layer(stage) - 1]);
  for (std::size_t first = 0; first < count; first += groups_[stage].images) {
    const std::size_t images_here = std::min(groups_[stage].images, count - first);
    const std::uint8_t* group = images + first * image_bytes;
    float* const rows = features + first * feature_count_;
    if (stage == 0) {
      run_first_layer(group, images_here, groups_[0].activations[0].data());
    } else {
      run_stage(stage - 1, group, images_here, rows);
    }
    run_layers(stage, images_here, output, stride, rows);
    if (!is_last || writes_features) output += images_here * stride;
  }
}

// The layers of a stage but the first of all, on one group.
void CpuBackbone::run_layers(std::size_t stage, std::size_t count, float* output,
                             std::size_t stride, float* features) {
  Group& group = groups_[stage];
  for (std::size_t layer = std::max<std::size_t>(stages[stage].first_layer, 1);
       layer < last_layer(stage); ++layer) {
    const TraceSpan span(tracer_, vgg16_layers[layer].name.data(), last_);
    const bool first = layer == stages[stage].first_layer;
    const bool last = layer + 1 == last_layer(stage);
    const float* input =
        first ? groups_[stage - 1].result.data() : group.activations[(layer - 1) % 2].data();
    const FeatureMaps maps{count, input, output_stride(shapes_[layer - 1]),
                           last ? output : group.activations[layer % 2].data(),
                           last ? stride : output_stride(shapes_[layer])};
    const Layer& of_layer = layers_[layer];
    of_layer.convolution->run(threads_, of_layer.weights.data(), of_layer.bias.data(), maps,
                              scratch_.data());
    pool_features(layer, maps, features);
  }
}

// The statistics of a layer's outputs that are features, into the rows of the images.
void CpuBackbone::pool_features(std::size_t layer, const FeatureMaps& maps, float* features) {
  float *average = nullptr, *maximum = nullptr;
  for (const FeatureGroup& group : feature_groups_) {
    if (!group.is_statistic_of(layer)) continue;
    (group.statistic == Pooling::average ? average : maximum) = features + group.first;
  }
  if (average == nullptr && maximum == nullptr) return;
  const TraceSpan span(tracer_, "global_pool", last_);
  const LayerShape& shape = shapes_[layer];
  const std::size_t pieces = shape.outputs / global_pool_channels;
  const auto pool = [&](std::size_t piece, std::size_t) {
    const std::size_t image = piece / pieces, channel = piece % pieces * global_pool_channels;
    const std::size_t column = image * feature_count_ + channel;
    kernels_.global_pool({shape.output_height(), shape.output_width(), shape.outputs,
                          maps.output + image * maps.output_stride + channel,
                          average == nullptr ? nullptr : average + column,
                          maximum == nullptr ? nullptr : maximum + column});
  };
  threads_.parallel_for(maps.images * pieces, std::cref(pool));
}

void CpuBackbone::run_first_layer(const std::uint8_t* images, std::size_t count, float* output) {
  const std::size_t height = options_.image_size.height, width = options_.image_size.width;
  const std::size_t input_stride = rgb_stride(options_.image_size);
  const TraceSpan span(tracer_, vgg16_layers[0].name.data(), last_);
  const auto prepare = [&](std::size_t image, std::size_t) {
    preprocess(tables_, {height, width, images + image * height * width * 3,
                         rgb_.data() + image * input_stride});
  };
  threads_.parallel_for(count, std::cref(prepare));
  const std::size_t pieces = divide_up(height, rows_in_piece);
  const auto convolve = [&](std::size_t piece, std::size_t) {
    const std::size_t image = piece / pieces, row = piece % pieces * rows_in_piece;
    kernels_.convolution_rgb({width, shapes_[0].outputs, rgb_.data() + image * input_stride,
                              layers_[0].weights.data(), layers_[0].bias.data(),
                              output + image * output_stride(shapes_[0]), row,
                              std::min(rows_in_piece, height - row)});
  };
  threads_.parallel_for(count * pieces, std::cref(convolve));
}

}  // namespace

std::string backbone_numerics(Isa isa, const BackboneOptions& options) {
  std::string numerics = isa == Isa::portable ? "cpu fp32" : "cpu fused fp32";
  if (options.algorithm == ConvolutionAlgorithm::direct) return numerics + " direct 1";
  numerics += " winograd 2";
  if (tile_goal(options.batch_size) == TileGoal::one_image) numerics += ", one image 2";
  return numerics;
}

std::unique_ptr<Backbone> make_cpu_backbone(const Vgg16Weights& weights,
                                            const BackboneOptions& options, ThreadPool& threads,
                                            const KernelTable& kernels, Tracer* tracer) {
  check_options(options);
  check_least_memory(options);
  return std::make_unique<CpuBackbone>(weights, options, threads, kernels, tracer);
}

}  // namespace graft::cpu
