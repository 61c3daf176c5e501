#pragma once
// The cases of the CPU's own suites, kernels and layers.

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/cases/case_list.h"
#include "engine/backend/cpu/aligned_floats.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"

namespace graft::bench {

// Empties the caches by writing more memory than they hold: twice the last-level cache, within
// bounds.
class CacheFlush {
 public:
  explicit CacheFlush(cpu::ThreadPool& pool) : pool_(pool) {}

  // Takes the memory at the first call. Every thread writes its share.
  void operator()() {
    if (memory_.empty()) memory_.resize(bytes() / sizeof(std::uint64_t));
    const std::size_t share = memory_.size() / pool_.threads();
    pool_.parallel_for(pool_.threads(), [&](std::size_t piece, std::size_t) {
      for (std::size_t i = piece * share; i < (piece + 1) * share; ++i) ++memory_[i];
    });
  }

 private:
  // The minimum where the size is not known. Caches of hundreds of MiB belong to many cores.
  static std::size_t bytes() {
    constexpr std::size_t mib = std::size_t{1} << 20U;
    const long last_level = sysconf(_SC_LEVEL3_CACHE_SIZE);
    return std::clamp(2 * static_cast<std::size_t>(std::max(last_level, 0L)), 64 * mib, 512 * mib);
  }

  cpu::ThreadPool& pool_;
  std::vector<std::uint64_t> memory_;
};

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

// An array of values from −.5 to .5, none of them denormal.
inline std::shared_ptr<cpu::AlignedFloats> shared_filled(std::size_t count) {
  cpu::AlignedFloats values = cpu::AlignedFloats::uninitialised(count);
  for (std::size_t i = 0; i < count; ++i)
    values.data()[i] = 0.01F * static_cast<float>(i % 101) - 0.5F;
  return std::make_shared<cpu::AlignedFloats>(std::move(values));
}

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
