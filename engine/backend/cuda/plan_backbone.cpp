#include "engine/backend/cuda/plan_backbone.h"

#include "engine/backend/cuda/backbone_memory.h"
#include "engine/backend/cuda/backbone_plans.h"
#include "kernels/cuda/bias_relu.h"
#include "kernels/cuda/bias_relu_max_pool.h"

namespace graft::cuda {
namespace {

// Of the kernel between a convolution and the next: none, bias_relu or bias_relu_max_pool.
double epilogue_bytes(const ConvolutionProblem& problem, bool pooled) {
  if (problem.bias_relu) return 0.0;
  const std::size_t value = storage_bytes(problem.precision);
  const MovedBytes moved =
      pooled ? bias_relu_max_pool_bytes(
                   value, {problem.batch, problem.height, problem.width, problem.output_channels})
             : bias_relu_bytes(value, problem.batch * problem.height * problem.width,
                               problem.output_channels);
  return static_cast<double>(moved.total());
}

}  // namespace

BackbonePlan plan_backbone(const GpuProperties& gpu, const BackboneOptions& options) {
  BackbonePlan result;
  result.cudnn_version = cudnn_version();
  backbone_memory(options, 0);  // refuses options that nothing can serve, before cuDNN is asked
  PlanCache cache;
  BackboneOptions by_heuristics = options;
  by_heuristics.autotune = false;
  const BackbonePlans plans =
      choose_backbone_plans(CudnnDevice::described(gpu), by_heuristics, cache);
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const ConvolutionPlan& plan = *plans.layers[layer];
    result.layers.push_back({std::string(vgg16_layers[layer].name), plan.engine(), plan.notes(),
                             plan.problem().bias_relu, plan.workspace_bytes(),
                             plan.problem().flop(), plan.problem().bytes(),
                             epilogue_bytes(plan.problem(), vgg16_layers[layer].pool_after)});
  }
  result.memory = backbone_memory(options, plans.workspace_bytes());
  return result;
}

}  // namespace graft::cuda
