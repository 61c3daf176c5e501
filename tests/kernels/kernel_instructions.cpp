// Runs one kernel of the AVX2 table over and over, for a tool that counts its instructions:
// check_instructions.py starts it under valgrind twice, and what the two runs differ by is the
// kernel's alone.
//   kernel_instructions gemm|dense_forward REPETITIONS
// Prints the floating-point operations of one repetition: 2·rows·columns·depth. Ends with 77 on a
// processor (valgrind's is one) that lacks AVX2.
//
// The operands fit a second-level cache and are made of full register tiles.

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "engine/backend/cpu/aligned_floats.h"
#include "kernels/cpu/kernels.h"

namespace graft {
namespace {

constexpr int usage = 2;
constexpr int skipped = 77;

cpu::AlignedFloats filled(std::size_t count) {
  cpu::AlignedFloats floats(count);
  for (std::size_t i = 0; i < count; ++i) floats.data()[i] = static_cast<float>(i % 7) * 0.25F;
  return floats;
}

std::size_t operations(std::size_t rows, std::size_t columns, std::size_t depth) {
  return 2 * rows * columns * depth;
}

std::size_t run_gemm(const cpu::KernelTable& kernels, int repetitions) {
  constexpr std::size_t rows = 84, columns = 64, depth = 256;
  const cpu::AlignedFloats a = filled(rows * depth), b = filled(columns * depth);
  const cpu::AlignedFloats c(rows * columns);
  for (int i = 0; i < repetitions; ++i) {
    kernels.gemm({.rows = rows,
                  .columns = columns,
                  .depth = depth,
                  .a = a.data(),
                  .b = b.data(),
                  .next_b = b.data(),
                  .c = c.data(),
                  .c_stride = columns});
  }
  return operations(rows, columns, depth);
}

// A chunk of the head's first layer: 18 rows are three tiles.
std::size_t run_dense_forward(const cpu::KernelTable& kernels, int repetitions) {
  constexpr std::size_t rows = 18, units = 256, count = 256;
  const cpu::AlignedFloats x = filled(rows * count), w = filled(count * units);
  const cpu::AlignedFloats sums(rows * units);
  for (int i = 0; i < repetitions; ++i) {
    kernels.dense_forward({.packed = x.data(),
                           .rows = rows,
                           .count = count,
                           .kernel = w.data(),
                           .units = units,
                           .sums = sums.data(),
                           .add = false});
  }
  return operations(rows, units, count);
}

int run(std::string_view kernel, int repetitions) {
  if (!cpu::supports(cpu::Isa::avx2)) {
    std::puts("this processor has no AVX2");
    return skipped;
  }
  const cpu::KernelTable& kernels = cpu::kernels_for(cpu::Isa::avx2);
  std::size_t count = 0;
  if (kernel == "gemm") count = run_gemm(kernels, repetitions);
  if (kernel == "dense_forward") count = run_dense_forward(kernels, repetitions);
  if (count == 0) return usage;
  std::printf("%zu\n", count);
  return 0;
}

}  // namespace
}  // namespace graft

int main(int count, char** values) {
  if (count != 3) {
    std::fputs("kernel_instructions gemm|dense_forward REPETITIONS\n", stderr);
    return graft::usage;
  }
  return graft::run(values[1], std::atoi(values[2]));
}
