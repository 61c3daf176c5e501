#include "engine/backend/cuda/backbone_plans.h"

#include <algorithm>

#include "engine/backend/cuda/autotune.h"
#include "engine/backend/cuda/backbone_memory.h"
#include "engine/base/digest.h"

namespace graft::cuda {

std::array<ConvolutionProblem, vgg16_convolutions> backbone_problems(
    const BackboneOptions& options) {
  std::array<ConvolutionProblem, vgg16_convolutions> problems{};
  const auto shapes = layer_shapes(options);
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    const LayerShape& shape = shapes[layer];
    problems[layer] = {options.batch_size, shape.height,      shape.width,      shape.inputs,
                       shape.outputs,      options.precision, !shape.pool_after};
  }
  return problems;
}

BackbonePlans choose_backbone_plans(const CudnnDevice& device, const BackboneOptions& options,
                                    PlanCache& cache) {
  BackbonePlans plans;
  const auto problems = backbone_problems(options);
  for (std::size_t layer = 0; layer < vgg16_convolutions; ++layer) {
    plans.layers[layer] = choose_plan(device, problems[layer], options.autotune, cache);
  }
  return plans;
}

std::size_t BackbonePlans::workspace_bytes() const {
  std::size_t bytes = 0;
  for (const auto& plan : layers) bytes = std::max(bytes, plan->workspace_bytes());
  return bytes;
}

std::string BackbonePlans::digest() const {
  Digester digester;
  for (const auto& plan : layers) {
    digester.add(text_of(plan->problem()));
    digester.add(plan->engine());
    digester.add(";");
  }
  return digester.digest().hex();
}

}  // namespace graft::cuda
