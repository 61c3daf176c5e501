#include "engine/backend/cuda/backbone/forecast_backbone.h"

#include "engine/backend/cuda/backbone/backbone_spec.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"

namespace graft::cuda {
namespace {

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

BackboneForecast forecast_backbone(const GpuProperties& gpu, const BackboneOptions& options) {
  BackboneSpec spec(options);
  spec.options.autotune = false;
  PlanCache cache;
  spec.choose_plans(CudnnDevice::described(gpu), cache);
  BackboneForecast forecast;
  forecast.cudnn_version = cudnn_version();
  forecast.memory = spec.memory;
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const ConvolutionPlan& plan = *spec.plans[layer];
    forecast.layers.push_back({std::string(vgg16_layers[layer].name), plan.engine(), plan.notes(),
                               plan.problem().bias_relu, plan.workspace_bytes(),
                               plan.problem().flop(), plan.problem().bytes(),
                               epilogue_bytes(plan.problem(), spec.shapes[layer].pool_after)});
  }
  return forecast;
}

}  // namespace graft::cuda
