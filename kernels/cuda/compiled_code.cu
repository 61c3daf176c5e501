// An empty kernel. Reading its attributes loads its code.

#include "kernels/cuda/check.h"
#include "kernels/cuda/compiled_code.h"

namespace graft::cuda {

namespace {

__global__ void __launch_bounds__(1) compiled_code_kernel() {}

}  // namespace

void check_compiled_code() {
  cudaFuncAttributes attributes;
  GRAFT_CUDA_CHECK(cudaFuncGetAttributes(&attributes, compiled_code_kernel));
}

}  // namespace graft::cuda
