#pragma once
// The choice of a layer's plan, by heuristics or by time.

#include <memory>

#include "engine/backend/cuda/cudnn/convolution.h"
#include "engine/backend/cuda/cudnn/plan_cache.h"

namespace graft::cuda {

// `problem.bias_relu`: the plan may fuse bias and ReLU, because no pool follows. The plan's own
// problem().bias_relu says whether it does. Otherwise kernels/cuda/bias_relu or bias_relu_max_pool
// runs after the plan.
//
// By heuristics: a fused plan where cuDNN has one, since it saves reading and writing y once more,
// 2·sizeof(T) bytes a value; else the convolution alone. In fp16 a fused plan is taken only where
// its engine is noted to keep a NaN, so that an overflow is seen. With autotune, on a device that
// can run: the fastest of all plans, fused or not; the time of an unfused plan includes bias_relu.
// A winner in the cache is not timed again.
//
// Throws Error(device) when cuDNN has no plan, fused or not.
std::shared_ptr<const ConvolutionPlan> choose_plan(const CudnnDevice& device,
                                                   const ConvolutionProblem& problem, bool autotune,
                                                   PlanCache& cache);

}  // namespace graft::cuda
