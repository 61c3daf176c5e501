#pragma once
// A kernel that does nothing: its launch is all that it costs. Bytes moved: none.

#include <cuda_runtime_api.h>

namespace graft::bench {

void enqueue_empty_kernel(cudaStream_t stream);

}  // namespace graft::bench
