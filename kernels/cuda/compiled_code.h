#pragma once
// Whether the kernels were compiled for the GPU at hand: no bytes moved, nothing launched.

namespace graft::cuda {

// Throws Failure, as a rule with cudaErrorNoKernelImageForDevice, when the current device can run
// none of the kernels: all are compiled for the same architectures.
void check_compiled_code();

}  // namespace graft::cuda
