#pragma once
// The backbone on a GPU that need not be there: cuDNN's plans, the bounds on their time, and what
// of the GPU's memory they take.

#include <cstddef>

#include "engine/backend/cuda_module.h"
#include "engine/plan/gpu_registry.h"
#include "engine/plan/roofline.h"

namespace graft {

// The backend's own rule: larger ones keep no GPU busier.
inline constexpr std::size_t most_useful_batch = 1024;

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

// The backend's own rule: a sixteenth is left for what no plan counts.
std::size_t usable_memory(std::size_t memory);

// options.batch_size 0: the largest that fits. Throws Error(device) when the GPU has no arithmetic
// of that precision, when not one image fits a batch that was to be the largest, or as
// CudaModule::plan_backbone.
GpuPlan plan_for_gpu(const CudaModule& module, const Gpu& gpu, std::size_t memory,
                     BackboneOptions options);

}  // namespace graft
