#pragma once
// The plans, sizes and work of a backbone on a GPU that need not be there: what `graft plan` shows.

#include "engine/backend/backend.h"
#include "engine/backend/cuda_module.h"

namespace graft::cuda {

// By heuristics, whatever options.autotune says. Needs no driver. Bytes are those that the kernels'
// header comments promise: of the convolution what it reads and writes, each plane and filter once;
// of its epilogue what bias_relu or bias_relu_max_pool moves.
BackbonePlan plan_backbone(const GpuProperties& gpu, const BackboneOptions& options);

}  // namespace graft::cuda
