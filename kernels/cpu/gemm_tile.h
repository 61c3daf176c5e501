#pragma once
// The register tile of the matrix product, per Isa: as many sums as the registers hold next to one
// row of B and one broadcast of A. 14 × 2 of 32 registers, 6 × 2 of 16.

#include "kernels/cpu/vector.h"

namespace graft::cpu::GRAFT_ISA {

#if defined(__AVX512F__)
static constexpr std::size_t gemm_tile_rows = 14;
#elif defined(__AVX2__)
static constexpr std::size_t gemm_tile_rows = 6;
#else
static constexpr std::size_t gemm_tile_rows = 4;
#endif
static constexpr std::size_t gemm_tile_columns = 2 * Vector::width;

}  // namespace graft::cpu::GRAFT_ISA
