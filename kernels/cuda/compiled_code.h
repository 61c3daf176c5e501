#pragma once
// Check that the kernels were compiled for the current GPU. No bytes moved, nothing launched.

namespace graft::cuda {

// Throws Failure, as a rule with cudaErrorNoKernelImageForDevice, when the current device can run
// none of the kernels: all are compiled for the same architectures.
void check_compiled_code();

}  // namespace graft::cuda
