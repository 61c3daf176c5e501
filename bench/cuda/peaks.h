#pragma once
// Kernels that do one thing and nothing else, to find out how fast a GPU can do it: the ceilings
// that other work is compared with. Each leaves numbers that follow from what it was asked for, so
// that one which did not do its work is found out.

#include <cuda_runtime_api.h>

#include <cstddef>

#include "engine/config/config.h"

namespace graft::bench {

// to[i] = from[i], 128 bits at a time. Bytes moved for a pack: 16 read and 16 written.
//   to, from  `packs` × 16 bytes each, aligned to 16, without overlap
void copy_peak(void* to, const void* from, std::size_t packs, cudaStream_t stream);

// How much arithmetic a launch does.
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
float multiply_add_value(const PeakShape& shape, std::size_t index);  // what stands in out[index]

// Products of 16×16 and 16×8 matrices of ones on the tensor cores, added up in float, 8 independent
// ones in a warp, `steps` times. By mma.sync: m16n8k16 for fp16 and bf16, two of m16n8k8 for tf32,
// and for fp16 on sm_75, which has no other. out: as above, the sums of a thread's accumulators.
//
// From sm_90 on there are faster instructions for tensor cores (wgmma, tcgen05) than this one, which
// runs on all: cuDNN's engines may there be above what this reaches.
//
// precision: tf32, fp16 or bf16, else std::invalid_argument; bf16 and tf32 need sm_80.
void tensor_core_peak(Precision precision, float* out, const PeakShape& shape, cudaStream_t stream);
double tensor_core_flop(const PeakShape& shape);
float tensor_core_value(const PeakShape& shape);  // exact up to 32768 steps

}  // namespace graft::bench
