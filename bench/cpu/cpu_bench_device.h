#pragma once
// The CPU as a device of the harness. Kernels run on all threads at once, so that their rates
// compare with the ceilings, which are those of all threads.

#include <memory>

#include "bench/harness/bench_device.h"
#include "bench/harness/cuda_bench_module.h"
#include "kernels/cpu/isa.h"

namespace graft::bench {

// Throws Error(usage) when this processor lacks `isa`.
std::unique_ptr<BenchDevice> make_cpu_bench_device(const BenchSetup& setup, cpu::Isa isa);

}  // namespace graft::bench
