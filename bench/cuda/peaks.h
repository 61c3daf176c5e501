#pragma once
// Kernels that measure the ceilings of a GPU: a copy and arithmetic. Their outputs have known
// values, so that a kernel that did not run is detected.

#include <cuda_runtime_api.h>

#include <cstddef>

#include "engine/config/config.h"

namespace graft::bench {

// to[i] = from[i], 128 bits at a time. Bytes moved for a pack: 16 read and 16 written.
//   to, from  `packs` × 16 bytes each, aligned to 16, without overlap
void copy_peak(void* to, const void* from, std::size_t packs, cudaStream_t stream);

// The size of a launch of arithmetic.
struct PeakShape {
  unsigned blocks, steps;
  static constexpr unsigned threads = 256;  // of a block
  std::size_t values() const { return std::size_t{blocks} * threads; }
};

// Fused multiply-adds in registers, 8 independent chains in a thread: value = value·1 + 1, `steps`
// times, from thread + 0 … thread + 7. out: shape.values() floats, each the sum of its thread's
// chains.
void multiply_add_peak(float* out, const PeakShape& shape, cudaStream_t stream);
double multiply_add_flop(const PeakShape& shape);
float multiply_add_value(const PeakShape& shape, std::size_t index);  // of out[index]

// Products of 16×16 and 16×8 matrices of ones on the tensor cores, accumulated in fp32, 8
// independent ones in a warp, `steps` times. By mma.sync: m16n8k16 for fp16 and bf16, two of
// m16n8k8 for tf32, and for fp16 on sm_75, which has no other. out: as above, the sums of a
// thread's accumulators.
//
// wgmma on sm_90, below, and tcgen05 from sm_100 on are faster than mma.sync, which runs on all
// architectures. cuDNN's engines can exceed this ceiling from sm_100 on.
//
// precision: tf32, fp16 or bf16, else std::invalid_argument; bf16 and tf32 need sm_80.
void tensor_core_peak(Precision precision, float* out, const PeakShape& shape, cudaStream_t stream);
double tensor_core_flop(const PeakShape& shape);
float tensor_core_value(const PeakShape& shape);  // exact up to 32768 steps

// The same by wgmma: products of 64×16 and 256×16 matrices of ones in shared memory, one after the
// other in each of a block's two warpgroups. m64n256k16 for fp16 and bf16, two of m64n256k8 for
// tf32. For compute capability 9.0 alone: code for sm_90a runs on no other, older or newer. Only in
// builds whose GRAFT_CUDA_ARCHITECTURES has 90.
void wgmma_peak(Precision precision, float* out, const PeakShape& shape, cudaStream_t stream);
double wgmma_flop(const PeakShape& shape);
float wgmma_value(const PeakShape& shape);  // exact up to 8192 steps

}  // namespace graft::bench
