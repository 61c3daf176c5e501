#pragma once
// The ceilings of a CPU, measured by small loops. Each is the best of several short runs, because
// other programs may run too.

#include <cstddef>

#include "kernels/cpu/isa.h"

namespace graft::bench {

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
