#pragma once
// The sum of a block's losses, always in the same order: a tree over the threads.

#include "kernels/cuda/loss_totals.h"

namespace graft::cuda {

__device__ __forceinline__ void add(LossTotals& totals, const LossTotals& more) {
  totals.loss_sum += more.loss_sum;
  totals.correct += more.correct;
}

// Adds what each thread of the block brings to *totals. Threads: the block's size, a power of 2;
// every thread calls it, and no other block of the launch.
template <unsigned Threads>
__device__ __forceinline__ void add_block(LossTotals* totals, const LossTotals& mine) {
  __shared__ LossTotals sums[Threads];
  sums[threadIdx.x] = mine;
  for (unsigned half = Threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) add(sums[threadIdx.x], sums[threadIdx.x + half]);
  }
  if (threadIdx.x == 0) add(*totals, sums[0]);
}

}  // namespace graft::cuda
