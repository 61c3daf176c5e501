#include "bench/cuda/gate.h"
#include "kernels/cuda/check.h"

namespace graft::bench {

namespace {

__global__ void __launch_bounds__(1) gate_kernel(GateWords* words, std::uint32_t most_looks) {
  volatile GateWords* now = words;
  for (std::uint32_t look = 0; look < most_looks; ++look) {
    if (now->open != 0) return;
    __nanosleep(500);
  }
  now->gave_up = 1;
}

}  // namespace

void wait_at_gate(GateWords* words, std::uint32_t most_looks, cudaStream_t stream) {
  gate_kernel<<<1, 1, 0, stream>>>(words, most_looks);
  GRAFT_CUDA_CHECK_LAUNCH("gate");
}

}  // namespace graft::bench
