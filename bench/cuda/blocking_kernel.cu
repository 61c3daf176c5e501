#include "bench/cuda/blocking_kernel.h"
#include "kernels/cuda/check.h"

namespace graft::bench {

namespace {

__global__ void __launch_bounds__(1)
    blocking_kernel(BlockingFlags* flags, std::uint32_t most_polls) {
  volatile BlockingFlags* now = flags;
  for (std::uint32_t poll = 0; poll < most_polls; ++poll) {
    if (now->open != 0) return;
    __nanosleep(500);
  }
  now->timed_out = 1;
}

}  // namespace

void block_stream(BlockingFlags* flags, std::uint32_t most_polls, cudaStream_t stream) {
  blocking_kernel<<<1, 1, 0, stream>>>(flags, most_polls);
  GRAFT_CUDA_CHECK_LAUNCH("blocking_kernel");
}

}  // namespace graft::bench
