// The one symbol of libgraft_cuda.so. Its number changes with the interface.

#include "engine/backend/cuda/module.h"

extern "C" __attribute__((visibility("default"))) const graft::CudaModule* graft_cuda_module_1() {
  return &graft::cuda::module();
}
