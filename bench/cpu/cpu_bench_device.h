#pragma once
// The CPU as a BenchDevice. Kernels run on all threads at once, and the ceilings are those of all
// threads.

#include <memory>
#include <string_view>

#include "bench/cases/backend_suites.h"
#include "kernels/cpu/isa.h"

namespace graft::bench {

// portable, avx2, avx512; best or auto: the widest of this CPU. Throws Error(usage) for other
// names.
cpu::Isa isa_of(std::string_view name);

// Throws Error(usage) when this processor lacks `isa`.
std::unique_ptr<BenchDevice> make_cpu_bench_device(const BenchSetup& setup, cpu::Isa isa);

}  // namespace graft::bench
