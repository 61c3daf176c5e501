#pragma once
// The 13 convolutions of VGG16 on a CPU: each by Winograd's algorithm and directly, the first
// directly only.

#include "bench/cpu/cache_flush.h"
#include "bench/harness/case.h"
#include "bench/suites/case_list.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::bench {

// What the CPU's own suites share; borrowed, and longer there than their subjects.
struct CpuContext {
  cpu::Isa isa;
  cpu::ThreadPool& pool;
  CacheFlush& flush;
};

CaseList cpu_layer_cases(const CpuContext& context, const Axes& axes);
// Every hand-written kernel, on all threads at once, each thread with memory of its own.
CaseList cpu_kernel_cases(const CpuContext& context, const Axes& axes);

}  // namespace graft::bench
