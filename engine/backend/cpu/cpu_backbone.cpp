#include "engine/backend/cpu/cpu_backbone.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <variant>

#include "engine/backend/arithmetic.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "engine/backend/cpu/packed_weights.h"
#include "engine/base/error.h"
#include "engine/base/memory.h"
#include "kernels/cpu/divide_up.h"
#include "kernels/cpu/gemm_convolution.h"
#include "kernels/cpu/preprocess.h"
#include "kernels/cpu/winograd_convolution.h"

namespace graft::cpu {
namespace {

// Layers that run one after the other on one group of images.
struct Stage {
  std::size_t first_layer, last_layer;
  std::size_t cache_bytes;  // what the planes of a group may take
};
constexpr std::size_t mib = std::size_t{1} << 20U;
constexpr std::array<Stage, 2> stages = {{{0, 4, 16 * mib}, {4, 13, 64 * mib}}};

constexpr std::size_t rows_in_piece = 8;  // of the first convolution, for one thread

// A cache line more than a plane needs: the same pixel of two images falls in different sets.
std::size_t plane_stride(std::size_t height, std::size_t width, std::size_t channels) {
  return height * width * channels + channel_block;
}

std::array<ConvolutionShape, vgg16_convolutions> layer_shapes(ImageSize image) {
  std::array<ConvolutionShape, vgg16_convolutions> shapes{};
  std::size_t height = image.height, width = image.width;
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const Vgg16Layer& l = vgg16_layers[layer];
    shapes[layer] = {height, width, l.input_channels, l.output_channels, l.pool_after};
    height = shapes[layer].output_height();
    width = shapes[layer].output_width();
  }
  return shapes;
}

std::size_t output_stride(const ConvolutionShape& shape) {
  return plane_stride(shape.output_height(), shape.output_width(), shape.outputs);
}

std::size_t rgb_stride(ImageSize image) {
  return plane_stride(std::size_t{image.height} + 2, std::size_t{image.width} + 2, 3);
}

// Images in a group of a stage: as many as the cache holds, but no fewer than in the stage before.
std::size_t group_size(const Stage& stage,
                       const std::array<ConvolutionShape, vgg16_convolutions>& shapes,
                       std::size_t batch_size, std::size_t least) {
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
              const KernelTable& kernels, std::vector<std::string>& remarks, Tracer* tracer);

  Ticket submit(std::span<const std::uint8_t> images, std::size_t count,
                std::span<float> features) override;
  void wait(Ticket) override {}  // submit has done the work

 private:
  struct Group {
    std::size_t images = 0;
    AlignedFloats planes[2];  // outputs inside the stage, by turns
    AlignedFloats result;     // what the next stage reads: as many images as its group has
  };
  using Convolution = std::variant<WinogradConvolution, GemmConvolution>;
  struct Layer {
    std::optional<Convolution> convolution;  // all but the first
    std::span<const float> weights;          // packed, in packed_
    AlignedFloats bias;
    // What both kinds have: the same functions of one of them.
    template <typename Action>
    auto with_convolution(const Action& action) const {
      return std::visit(action, *convolution);
    }
  };

  void make_layer(std::size_t layer);
  void take_weights(const Vgg16Weights& weights, std::vector<std::string>& remarks);
  std::size_t weights_size(std::size_t layer) const;
  void take_memory();
  void run_stage(std::size_t stage, const std::uint8_t* images, std::size_t count, float* output,
                 std::size_t stride);
  void run_layers(std::size_t stage, std::size_t count, float* output, std::size_t stride);
  void run_first_layer(const std::uint8_t* images, std::size_t count, float* output);

  const BackboneOptions options_;
  ThreadPool& threads_;
  const KernelTable& kernels_;
  const std::array<ConvolutionShape, vgg16_convolutions> shapes_;
  const PixelTables tables_;
  std::optional<PackedWeights> packed_;
  std::array<Layer, vgg16_convolutions> layers_;
  std::array<Group, stages.size()> groups_;
  AlignedFloats rgb_;      // preprocessed images of the first stage's group, with a border of zeros
  AlignedFloats scratch_;  // of one layer at a time
  Tracer* const tracer_;
  Ticket last_ = 0;
};

void check_options(const BackboneOptions& options) {
  vgg16_feature_shape(options.image_size);  // throws below 32×32
  if (options.batch_size == 0) {
    throw Error(ErrorKind::usage, "The backbone's batch_size is 0; it must be at least 1.");
  }
  // What no grouping can avoid: one image's first plane, and the features of a batch. After this
  // the counts of take_memory() cannot wrap.
  const double pixels = static_cast<double>(options.image_size.height) * options.image_size.width;
  const double first_plane = pixels * static_cast<double>(vgg16_layers[0].output_channels);
  const double features =
      static_cast<double>(vgg16_feature_shape(options.image_size).count()) * options.batch_size;
  check_backbone_memory(options, (first_plane + features) * sizeof(float));
}

void check_weights(const Vgg16Weights& weights) {
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const Vgg16Layer& l = vgg16_layers[layer];
    const ConvolutionWeights& of_layer = weights.layers[layer];
    if (of_layer.kernel.size() != 9 * l.input_channels * l.output_channels ||
        of_layer.bias.size() != l.output_channels) {
      throw Error(ErrorKind::weights,
                  fmt::format("The weights of {} have the wrong size.", l.name));
    }
  }
}

CpuBackbone::CpuBackbone(const Vgg16Weights& weights, const BackboneOptions& options,
                         ThreadPool& threads, const KernelTable& kernels,
                         std::vector<std::string>& remarks, Tracer* tracer)
    : options_(options),
      threads_(threads),
      kernels_(kernels),
      shapes_(layer_shapes(options.image_size)),
      tables_(pixel_tables(options.preprocess)),
      tracer_(tracer) {
  for (std::size_t layer = 1; layer < vgg16_convolutions; ++layer) make_layer(layer);
  std::size_t least = 1;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    least = groups_[stage].images = group_size(stages[stage], shapes_, options.batch_size, least);
  }
  check_weights(weights);
  take_memory();
  take_weights(weights, remarks);
}

void CpuBackbone::make_layer(std::size_t layer) {
  const ConvolutionShape& shape = shapes_[layer];
  if (options_.algorithm == ConvolutionAlgorithm::direct) {
    layers_[layer].convolution.emplace(std::in_place_type<GemmConvolution>, kernels_, shape);
  } else {
    layers_[layer].convolution.emplace(std::in_place_type<WinogradConvolution>, kernels_, shape,
                                       tile_goal(options_.batch_size),
                                       winograd_blocking(shape, kernels_, threads_.threads()));
  }
}

// Biases as they are; kernels packed, from the file that an earlier start has left. The plain
// matrix product's are packed as quickly as they could be read.
void CpuBackbone::take_weights(const Vgg16Weights& weights, std::vector<std::string>& remarks) {
  PackedWeightsRequest request;
  request.key = {weights.digest, packed_weights_version, kernels_.gemm_columns, {}};
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    request.key.floats[layer] = weights_size(layer);
  }
  if (options_.algorithm != ConvolutionAlgorithm::direct && !weights.file.empty() &&
      !options_.cache.empty()) {
    request.weights = weights.file;
    request.cache = options_.cache;
  }
  request.pack = [&](std::size_t layer, float* packed) {
    const std::vector<float>& kernel = weights.layers[layer].kernel;
    if (!layers_[layer].convolution) {
      std::copy(kernel.begin(), kernel.end(), packed);
      return;
    }
    layers_[layer].with_convolution([&](const auto& convolution) {
      convolution.pack_weights(threads_, kernel.data(), packed);
    });
  };
  packed_.emplace(request, threads_, remarks);
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const std::vector<float>& bias = weights.layers[layer].bias;
    layers_[layer].weights = packed_->layer(layer);
    layers_[layer].bias = AlignedFloats(bias.size());
    std::copy(bias.begin(), bias.end(), layers_[layer].bias.data());
  }
}

// Floats of a layer's packed weights.
std::size_t CpuBackbone::weights_size(std::size_t layer) const {
  if (!layers_[layer].convolution) return 9 * shapes_[layer].inputs * shapes_[layer].outputs;
  return layers_[layer].with_convolution(
      [](const auto& convolution) { return convolution.weights_size(); });
}

// Checks that the machine can hold it all before anything large is taken.
void CpuBackbone::take_memory() {
  std::size_t scratch = 0;
  double bytes = 0;
  for (std::size_t layer = 1; layer < vgg16_convolutions; ++layer) {
    scratch = std::max(scratch, layers_[layer].with_convolution([&](const auto& convolution) {
      return convolution.scratch_size(threads_.threads());
    }));
    bytes += static_cast<double>(weights_size(layer)) * sizeof(float);
  }
  // Per stage: floats of the planes that layers write by turns, and of the stage's result.
  std::size_t turns[stages.size()][2] = {};
  std::size_t results[stages.size()] = {};
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    for (std::size_t layer = stages[stage].first_layer; layer + 1 < stages[stage].last_layer;
         ++layer) {
      std::size_t& most = turns[stage][layer % 2];
      most = std::max(most, output_stride(shapes_[layer]));
    }
    if (stage + 1 < stages.size())
      results[stage] = output_stride(shapes_[stages[stage].last_layer - 1]);
    const double images = static_cast<double>(groups_[stage].images);
    bytes += images * static_cast<double>(turns[stage][0] + turns[stage][1]) * sizeof(float);
    if (stage + 1 < stages.size()) {
      bytes += static_cast<double>(groups_[stage + 1].images) *
               static_cast<double>(results[stage]) * sizeof(float);
    }
  }
  bytes += static_cast<double>(groups_[0].images) *
               static_cast<double>(rgb_stride(options_.image_size)) * sizeof(float) +
           static_cast<double>(scratch) * sizeof(float);
  check_backbone_memory(options_, bytes);
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    Group& group = groups_[stage];
    for (std::size_t turn = 0; turn < 2; ++turn) {
      group.planes[turn] = AlignedFloats::uninitialised(group.images * turns[stage][turn]);
    }
    if (stage + 1 < stages.size()) {
      group.result = AlignedFloats::uninitialised(groups_[stage + 1].images * results[stage]);
    }
  }
  rgb_ = AlignedFloats(groups_[0].images * rgb_stride(options_.image_size));
  scratch_ = AlignedFloats::uninitialised(scratch);
}

Backbone::Ticket CpuBackbone::submit(std::span<const std::uint8_t> images, std::size_t count,
                                     std::span<float> features) {
  const std::size_t image_bytes =
      std::size_t{options_.image_size.height} * options_.image_size.width * 3;
  const std::size_t feature_count = vgg16_feature_shape(options_.image_size).count();
  if (count == 0 || count > options_.batch_size || images.size() < count * image_bytes ||
      features.size() < count * feature_count) {
    throw Error(
        ErrorKind::usage,
        fmt::format("A batch of {} images does not fit a backbone made for {}, or its buffers "
                    "are too small.",
                    count, options_.batch_size));
  }
  run_stage(stages.size() - 1, images.data(), count, features.data(), feature_count);
  return ++last_;
}

void CpuBackbone::run_stage(std::size_t stage, const std::uint8_t* images, std::size_t count,
                            float* output, std::size_t stride) {
  const std::size_t image_bytes =
      std::size_t{options_.image_size.height} * options_.image_size.width * 3;
  for (std::size_t first = 0; first < count; first += groups_[stage].images) {
    const std::size_t images_here = std::min(groups_[stage].images, count - first);
    const std::uint8_t* group = images + first * image_bytes;
    if (stage == 0) {
      run_first_layer(group, images_here, groups_[0].planes[0].data());
    } else {
      run_stage(stage - 1, group, images_here, groups_[stage - 1].result.data(),
                output_stride(shapes_[stages[stage].first_layer - 1]));
    }
    run_layers(stage, images_here, output + first * stride, stride);
  }
}

// The layers of a stage but the first of all, on one group.
void CpuBackbone::run_layers(std::size_t stage, std::size_t count, float* output,
                             std::size_t stride) {
  Group& group = groups_[stage];
  for (std::size_t layer = std::max<std::size_t>(stages[stage].first_layer, 1);
       layer < stages[stage].last_layer; ++layer) {
    const TraceSpan span(tracer_, vgg16_layers[layer].name.data(), last_);
    const bool first = layer == stages[stage].first_layer;
    const bool last = layer + 1 == stages[stage].last_layer;
    const float* input =
        first ? groups_[stage - 1].result.data() : group.planes[(layer - 1) % 2].data();
    const Planes planes{count, input, output_stride(shapes_[layer - 1]),
                        last ? output : group.planes[layer % 2].data(),
                        last ? stride : output_stride(shapes_[layer])};
    layers_[layer].with_convolution([&](const auto& convolution) {
      convolution.run(threads_, layers_[layer].weights.data(), layers_[layer].bias.data(), planes,
                      scratch_.data());
    });
  }
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
                                            const KernelTable& kernels,
                                            std::vector<std::string>& remarks, Tracer* tracer) {
  check_options(options);
  return std::make_unique<CpuBackbone>(weights, options, threads, kernels, remarks, tracer);
}

}  // namespace graft::cpu
