#pragma once
// The kernels of bench/cpu/kernel_work.h as benchmarks of Google's, on one thread.
// FMA: share of the peak of fused multiply-adds of one core; memory: share of the peak of reading
// memory (above 1 the data came from a cache). Both peaks are measured in the same run.

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "bench/cpu/kernel_work.h"

namespace graft::bench {

struct Peaks {
  double flop_per_second, bytes_per_second;
};

// Operations and bytes of one iteration.
inline void report(benchmark::State& state, double flop, double bytes, const Peaks& peaks) {
  using benchmark::Counter;
  const auto iterations = static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = Counter(flop * iterations * 1e-9, Counter::kIsRate);
  state.counters["GB/s"] = Counter(bytes * iterations * 1e-9, Counter::kIsRate);
  state.counters["FMA"] = Counter(flop * iterations / peaks.flop_per_second, Counter::kIsRate);
  state.counters["memory"] = Counter(bytes * iterations / peaks.bytes_per_second, Counter::kIsRate);
}

// As "gemm/AVX2/depth:64".
inline void register_kernels(const std::vector<KernelWork>& kernels, const std::string& isa,
                             const Peaks& peaks) {
  for (const KernelWork& work : kernels) {
    std::string name = work.name + '/' + isa;
    for (const auto& [axis, value] : work.axes) name += '/' + axis + ':' + value;
    benchmark::RegisterBenchmark(name.c_str(), [work, peaks](benchmark::State& state) {
      const std::function<void()> execution = work.prepare();
      for (auto _ : state) {
        execution();
        benchmark::ClobberMemory();
      }
      report(state, work.flop, work.bytes, peaks);
    })->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace graft::bench
