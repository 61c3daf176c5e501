#pragma once
// The choice of a layer's plan, by heuristics or by time.

#include <memory>

#include "engine/backend/cuda/cudnn/convolution.h"
#include "engine/backend/cuda/cudnn/plan_cache.h"

namespace graft::cuda {

// `problem.bias_relu`: the plan may fuse bias and ReLU. The plan's own problem().bias_relu says
// whether it does. Otherwise kernels/cuda/bias_relu or bias_relu_max_pool runs after the plan.
//
// By heuristics: a fused plan where cuDNN has one, since it saves reading and writing y once more,
// 2·sizeof(T) bytes a value; else the convolution alone. With autotune: the fastest of all plans,
// fused or not; the time of an unfused plan includes bias_relu.
//
// On a device that can run, a plan is executed once before it is chosen. One that cuDNN fails to
// execute is skipped with a warning (PlanCache::warnings), unless it is the device that failed. In
// fp16 so is one that does not store an overflow as Inf: with the largest finite value instead, the
// backbone would not see it. A plan in the cache was executed before and is not executed again.
//
// Throws Error(device) when cuDNN has no plan that runs, and Failure when the device has too little
// memory for the layer's activations, weights and workspace.
std::shared_ptr<const ConvolutionPlan> choose_plan(const CudnnDevice& device,
                                                   const ConvolutionProblem& problem, bool autotune,
                                                   PlanCache& cache);

// The plan that the heuristics prefer, not executed: for sizes, and for a GPU that is absent.
ConvolutionPlan forecast_plan(const CudnnDevice& device, const ConvolutionProblem& problem,
                              Warnings& warnings);

}  // namespace graft::cuda
