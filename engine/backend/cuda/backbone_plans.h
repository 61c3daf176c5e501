#pragma once
// The network's thirteen convolutions as problems for cuDNN, and the plans chosen for them.

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "engine/backend/backend.h"
#include "engine/backend/cuda/cudnn_convolution.h"
#include "engine/backend/cuda/plan_cache.h"
#include "engine/weights/vgg16_weights.h"

namespace graft::cuda {

// bias_relu is set where no pool follows: the pool's kernel adds the bias itself.
std::array<ConvolutionProblem, vgg16_convolutions> backbone_problems(
    const BackboneOptions& options);

struct BackbonePlans {
  std::array<std::shared_ptr<const ConvolutionPlan>, vgg16_convolutions> layers;

  std::size_t workspace_bytes() const;  // the largest
  // Names the engines, in 32 hex digits: plans for equal problems on equal devices compute the same
  // bytes when it is equal.
  std::string digest() const;
};

// As choose_plan for each layer. Layers of one problem share a plan.
BackbonePlans choose_backbone_plans(const CudnnDevice& device, const BackboneOptions& options,
                                    PlanCache& cache);

}  // namespace graft::cuda
