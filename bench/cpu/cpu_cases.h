#pragma once
// The cases of the CPU's own suites, kernels and layers.

#include <functional>
#include <string>
#include <vector>

#include "bench/cases/case_list.h"
#include "bench/cpu/cache_flush.h"
#include "bench/harness/case.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::bench {

// Shared by the cases, and outlives their subjects.
struct CpuContext {
  cpu::Isa isa;
  cpu::ThreadPool& pool;
  CacheFlush& flush;
};

// The 13 convolutions, each by Winograd's algorithm and directly; the first only directly.
std::vector<Case> cpu_layer_cases(const CpuContext& context, const Axes& axes);
// Every hand-written kernel, on all threads at once. Each thread has memory of its own.
std::vector<Case> cpu_kernel_cases(const CpuContext& context, const Axes& axes);

// A kernel at one size, on one thread.
struct KernelWork {
  std::string name;                // "gemm"
  AxisValues axes;                 // {"depth", "128"}
  double flop = 0.0, bytes = 0.0;  // of one execution; flop 0: not counted
  // Takes the memory and returns the execution, which owns it.
  using Prepare = std::function<std::function<void()>()>;
  Prepare prepare;
};
// `isa` must be supported. backbone_kernels() uses the sizes of the axes, head_kernels() the
// batches.
std::vector<KernelWork> backbone_kernels(cpu::Isa isa, const Axes& axes);
std::vector<KernelWork> head_kernels(cpu::Isa isa, const Axes& axes);

}  // namespace graft::bench
