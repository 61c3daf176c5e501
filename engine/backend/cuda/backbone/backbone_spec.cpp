#include "engine/backend/cuda/backbone/backbone_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/backend/checks.h"
#include "engine/backend/cuda/cudnn/autotune.h"
#include "engine/base/digest.h"
#include "engine/base/error.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"

namespace graft::cuda {
namespace {

std::size_t rounded_up(std::size_t bytes) {
  constexpr std::size_t boundary = 256;  // of cudaMalloc
  return (bytes + boundary - 1) / boundary * boundary;
}

// After this no product of sizes wraps.
const BackboneOptions& checked(const BackboneOptions& options) {
  check_options(options);
  if (options.algorithm != ConvolutionAlgorithm::automatic) {
    throw Error(ErrorKind::usage,
                "backbone.algorithm \"{}\" needs a CPU; on a GPU choose \"auto\".",
                name_of(options.algorithm));
  }
  const std::size_t most = largest_usual_batch(options.image_size);
  if (options.batch_size > most) {
    throw Error(ErrorKind::usage,
                "Images of {}×{} in batches of {} have more activations than the 2147483647 that "
                "cuDNN computes at once; choose {}.",
                options.image_size.height, options.image_size.width, options.batch_size,
                most == 0 ? "a smaller data.image_size"
                          : fmt::format("a backbone.batch_size of at most {}", most));
  }
  return options;
}

WeightLayout layout_of(const BackboneSpec& spec) {
  WeightLayout layout{};
  const auto take = [&](std::size_t bytes) {
    const std::size_t offset = layout.bytes;
    layout.bytes += rounded_up(bytes);
    return offset;
  };
  const std::size_t value = storage_bytes(spec.options.precision);
  for (std::size_t layer = 0; layer < spec.shapes.size(); ++layer) {
    const LayerShape& shape = spec.shapes[layer];
    layout.filters[layer] = take(shape.weights() * value);
    layout.stored_bias[layer] = take(shape.outputs * value);
    layout.bias[layer] = take(shape.outputs * sizeof(float));
  }
  layout.tables = take(std::size_t{3} * 256 * sizeof(float));
  return layout;
}

BackboneMemory memory_of(const BackboneSpec& spec) {
  const std::size_t batch = spec.options.batch_size;
  std::size_t values = 0;  // of an image's activations
  for (const LayerShape& shape : spec.shapes) {
    values = std::max(values, shape.height * shape.width * std::max(shape.inputs, shape.outputs));
  }
  BackboneMemory memory;
  memory.activation_bytes = rounded_up(batch * values * storage_bytes(spec.options.precision));
  memory.weight_bytes = spec.weights.bytes;
  memory.image_bytes = backbone_slots * rounded_up(batch * spec.image_bytes);
  memory.feature_bytes =
      backbone_slots * rounded_up(batch * spec.feature_count * sizeof(float) + spec.flag_bytes());
  return memory;
}

// Of the kernel between a convolution and the next: none, bias_relu or bias_relu_max_pool.
double epilogue_bytes(const ConvolutionProblem& problem, bool pool_after) {
  if (problem.bias_relu) return 0.0;
  const std::size_t value = storage_bytes(problem.precision);
  const MovedBytes moved =
      pool_after ? bias_relu_max_pool_bytes(value, {problem.batch, problem.height, problem.width,
                                                    problem.output_channels})
                 : bias_relu_bytes(value, problem.pixels(), problem.output_channels);
  return static_cast<double>(moved.total());
}

}  // namespace

BackboneSpec::BackboneSpec(const BackboneOptions& of)
    : options(checked(of)),
      image_bytes(std::size_t{options.image_size.height} * options.image_size.width * 3),
      feature_count(vgg16_feature_shape(options.image_size, options.features).count()),
      feature_groups(vgg16_feature_groups(options.image_size, options.features)) {
  const auto all = vgg16_shapes(options.image_size);
  shapes.assign(all.begin(), all.begin() + convolutions_of(options.features));
  shapes[0].inputs = input_channels(options.precision);
  weights = layout_of(*this);
  memory = memory_of(*this);
}

void BackboneSpec::choose_plans(const CudnnDevice& device, PlanCache* cache) {
  std::size_t workspace = 0;
  Warnings ignored;
  plans.clear();
  for (std::size_t layer = 0; layer < shapes.size(); ++layer) {
    plans.push_back(cache != nullptr ? choose_plan(device, problem(layer), options.autotune, *cache)
                                     : std::make_shared<const ConvolutionPlan>(
                                           forecast_plan(device, problem(layer), ignored)));
    workspace = std::max(workspace, plans.back()->workspace_bytes());
  }
  memory.workspace_bytes = rounded_up(workspace);
}

ConvolutionProblem BackboneSpec::problem(std::size_t layer) const {
  const LayerShape& shape = shapes[layer];
  // Why the layer after a fused one is not fused in fp16, but has the pool: cuda_backbone.h.
  const bool is_next_seen = layer + 1 < shapes.size() && shapes[layer + 1].pool_after;
  const bool may_fuse = !shape.pool_after && (options.precision != Precision::fp16 || is_next_seen);
  return {options.batch_size, shape.height,      shape.width, shape.inputs,
          shape.outputs,      options.precision, may_fuse};
}

BatchShape BackboneSpec::output(std::size_t layer) const {
  const LayerShape& shape = shapes[layer];
  return {options.batch_size, shape.output_height(), shape.output_width(), shape.outputs};
}

MovedBytes BackboneSpec::pool_bytes(std::size_t layer) const {
  const auto statistics = std::ranges::count_if(
      feature_groups, [&](const FeatureGroup& group) { return group.is_statistic_of(layer); });
  if (statistics == 0) return {};
  return global_pool_bytes(storage_bytes(options.precision), output(layer),
                           static_cast<std::size_t>(statistics));
}

std::string BackboneSpec::engines_digest() const {
  Digester digester;
  for (const auto& plan : plans) {
    digester.add(text_of(plan->problem()));
    digester.add(plan->engine());
    digester.add(";");
  }
  return digester.digest().hex();
}

BackboneForecast forecast_backbone(const GpuProperties& gpu, const BackboneOptions& options) {
  BackboneSpec spec(options);
  spec.choose_plans(CudnnDevice::described(gpu), nullptr);
  BackboneForecast forecast;
  forecast.cudnn_version = cudnn_version();
  forecast.memory = spec.memory;
  for (std::size_t layer = 0; layer < spec.shapes.size(); ++layer) {
    const ConvolutionPlan& plan = *spec.plans[layer];
    const std::size_t pool_bytes = spec.pool_bytes(layer).total();
    forecast.layers.push_back({std::string(vgg16_layers[layer].name), plan.engine(), plan.notes(),
                               plan.problem().bias_relu, plan.workspace_bytes(),
                               plan.problem().flop(), plan.problem().bytes(),
                               epilogue_bytes(plan.problem(), spec.shapes[layer].pool_after) +
                                   static_cast<double>(pool_bytes),
                               pool_bytes != 0});
  }
  return forecast;
}

}  // namespace graft::cuda
