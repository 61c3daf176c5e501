#pragma once
// The whole of the CUDA backend, as cuda_module.h offers it.

#include "engine/backend/cuda_module.h"

namespace graft::cuda {

const CudaModule& module();

}  // namespace graft::cuda
