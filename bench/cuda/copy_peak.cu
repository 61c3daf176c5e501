#include "bench/cuda/peaks.h"
#include "kernels/cuda/check.h"

namespace graft::bench {

namespace {

constexpr unsigned block_threads = 256;
constexpr unsigned packs_of_thread = 4;  // loads in flight of a thread

__global__ void __launch_bounds__(block_threads)
    copy_peak_kernel(uint4* to, const uint4* from, std::size_t packs) {
  const std::size_t first = std::size_t{blockIdx.x} * block_threads * packs_of_thread + threadIdx.x;
  uint4 pack[packs_of_thread];
#pragma unroll
  for (unsigned n = 0; n < packs_of_thread; ++n) {
    const std::size_t at = first + std::size_t{n} * block_threads;
    if (at < packs) pack[n] = __ldcs(from + at);
  }
#pragma unroll
  for (unsigned n = 0; n < packs_of_thread; ++n) {
    const std::size_t at = first + std::size_t{n} * block_threads;
    if (at < packs) __stcs(to + at, pack[n]);
  }
}

}  // namespace

void copy_peak(void* to, const void* from, std::size_t packs, cudaStream_t stream) {
  if (packs == 0) return;
  const unsigned blocks = cuda::blocks_for(packs, std::size_t{block_threads} * packs_of_thread);
  copy_peak_kernel<<<blocks, block_threads, 0, stream>>>(static_cast<uint4*>(to),
                                                         static_cast<const uint4*>(from), packs);
  GRAFT_CUDA_CHECK_LAUNCH("copy_peak");
}

}  // namespace graft::bench
