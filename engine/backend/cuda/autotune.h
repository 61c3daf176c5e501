#pragma once
// Which plan a layer gets. This is what the backbone calls.

#include <memory>
#include <vector>

#include "engine/backend/cuda/cudnn_convolution.h"
#include "engine/backend/cuda/plan_cache.h"

namespace graft::cuda {

// The plan for a layer. `problem.bias_relu` says whether bias and ReLU follow with no pool after
// them, so that the convolution may take them in: the plan's own problem().bias_relu says whether
// it does. Otherwise kernels/cuda/bias_relu (or bias_relu_max_pool) comes after the plan.
//
// By heuristics: a plan with bias and ReLU where cuDNN has one, since it saves reading and writing
// y once more, 2·sizeof(T) bytes a value; else the convolution alone. In fp16 only where the engine
// is noted to keep a NaN, so that an overflow is seen. With autotune, on a device that can run: the
// fastest of all plans of both ways, where the time of the second way counts bias_relu as well. A
// winner that the cache holds is taken untimed.
//
// Throws Error(device) when cuDNN has no plan either way.
std::shared_ptr<const ConvolutionPlan> choose_plan(const CudnnDevice& device,
                                                   const ConvolutionProblem& problem, bool autotune,
                                                   PlanCache& cache);

}  // namespace graft::cuda
