#pragma once
// The backbone on a GPU that may be absent: cuDNN's plans, the bounds on their time, and their part
// of the GPU's memory.

#include <cstddef>

#include "engine/backend/cuda_module.h"
#include "engine/forecast/gpu_registry.h"
#include "engine/forecast/roofline.h"

namespace graft {

struct GpuForecast {
  Gpu gpu;
  std::size_t memory = 0;   // bytes, the GPU's or those of --memory
  std::size_t usable = 0;   // of it, for the backbone
  BackboneOptions options;  // with the batch of the forecast
  bool fits = false;
  std::size_t largest_batch = 0;  // a power of two up to the most useful; 0: none fits
  BackboneForecast backbone;
  BackboneBound bound;
  double images_per_second() const;  // at most
};

// options.batch_size 0: the largest that fits. Throws Error(device) when the GPU has no arithmetic
// of that precision, when not one image fits and the batch is to be the largest, or as
// CudaModule::forecast_backbone.
GpuForecast forecast_for_gpu(const CudaModule& module, const Gpu& gpu, std::size_t memory,
                             BackboneOptions options);

}  // namespace graft
