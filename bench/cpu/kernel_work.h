#pragma once
// Every hand-written kernel of the CPU over a ladder of sizes, ready to be timed: what `graft bench
// kernels` and the programs of Google Benchmark have in common.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness/case.h"
#include "kernels/cpu/isa.h"

namespace graft::bench {

struct KernelWork {
  std::string name;                                       // "gemm"
  std::vector<std::pair<std::string, std::string>> axes;  // {"depth", "128"}
  // Of one execution on one thread. flop 0: not counted; bytes are the measure then.
  double flop = 0.0, bytes = 0.0;
  // Takes the memory and returns the execution, which owns it.
  std::function<std::function<void()>()> prepare;
};

// `isa` must be supported. Of the axes the sizes of images count for the first, of the batches the
// rows for the second.
std::vector<KernelWork> backbone_kernels(cpu::Isa isa, const Axes& axes);
std::vector<KernelWork> head_kernels(cpu::Isa isa, const Axes& axes);

}  // namespace graft::bench
