#pragma once
// The plans, sizes and work of a backbone on a GPU that may be absent: what `graft plan` shows.

#include "engine/backend/backend.h"
#include "engine/backend/cuda_module.h"

namespace graft::cuda {

// By heuristics, even with options.autotune. Needs no driver. Bytes are those that the kernels'
// headers promise: of the convolution what it reads and writes, each array once; of its epilogue
// what bias_relu or bias_relu_max_pool moves.
BackboneForecast forecast_backbone(const GpuProperties& gpu, const BackboneOptions& options);

}  // namespace graft::cuda
