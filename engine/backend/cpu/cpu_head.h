#pragma once
// The head on the CPU. The arithmetic is that of kernels/cpu: the same bytes for any number of
// threads, and the same on AVX2 and AVX-512.
//
// Every precondition of Head is checked and is Error(usage) when broken. Beyond what Head promises:
//   set_state    accepts no mean_squares at all as all zero (a head that is only evaluated)
//   train_step   allocates nothing
//   evaluate     multiplies up to 1024 rows at once, so that a validation set of ordinary size is
//   and predict  one product, of which a thread takes at most 96 rows from features to logits;
//                allocates nothing. A row's logits have the bytes that they have in a training
//                batch without dropout.
// Memory: 8 bytes per parameter; workspace for 64 rows or a batch, whichever is more; for inference
// 96 rows of every hidden layer per thread, and 1024 rows of logits.

#include <memory>

#include "engine/backend/backend.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::cpu {

// `pool` and `kernels` are borrowed and outlive the head. Throws Error(usage) on options out of
// range, and Error(device) when the machine cannot hold the head and a HeadState of it.
std::unique_ptr<Head> make_cpu_head(const HeadOptions& options, ThreadPool& pool,
                                    const KernelTable& kernels);

}  // namespace graft::cpu
