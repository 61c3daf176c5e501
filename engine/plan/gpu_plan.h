#pragma once
// The backbone on a GPU that need not be there: cuDNN's plans, the bounds on their time, and what
// of the GPU's memory they take.

#include <cstddef>

#include "engine/backend/cuda_module.h"
#include "engine/plan/gpu_registry.h"
#include "engine/plan/roofline.h"

namespace graft {

struct GpuPlan {
  Gpu gpu;
  std::size_t memory = 0;   // bytes, the GPU's or what was said instead
  std::size_t usable = 0;   // of it, for the backbone
  BackboneOptions options;  // with the batch that was planned
  bool fits = false;
  std::size_t largest_batch = 0;  // a power of two up to the most useful; 0: none fits
  BackbonePlan plan;
  BackboneBound bound;
  double images_per_second() const;  // at most
};

// options.batch_size 0: the largest that fits. Throws Error(device) when the GPU has no arithmetic
// of that precision, when not one image fits a batch that was to be the largest, or as
// CudaModule::plan_backbone.
GpuPlan plan_for_gpu(const CudaModule& module, const Gpu& gpu, std::size_t memory,
                     BackboneOptions options);

}  // namespace graft
