#pragma once
// The CPU as a BenchDevice, and its ceilings. Kernels and ceilings use all threads at once.

#include <cstddef>
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

// The ceilings are measured by small loops. Each is the best of several short runs, because other
// programs may run too.

// Floating-point operations a second of independent fused multiply-adds (a product and a sum for
// the portable Isa) in registers, all threads together.
double multiply_add_peak(cpu::Isa isa, std::size_t threads);

// Bytes a second read from memory, out of an array that no cache holds, all threads together.
double memory_read_peak(std::size_t threads);

// Bytes a second of a copy in memory, those read and those written, of arrays that no cache holds,
// all threads together.
double memory_copy_peak(std::size_t threads);
// The memory that memory_copy_peak() takes, in bytes.
double memory_of_copy_peak(std::size_t threads);

}  // namespace graft::bench
