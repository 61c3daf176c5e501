#pragma once
// Matrix product C = A·B of floats: the work that every convolution but the first comes down to.
//
//            columns                 A is packed in panels of `gemm_rows` rows, B in panels of
//          ┌─────┬─────┐             `gemm_columns` columns (both in KernelTable). A register tile
//    depth │ B₀  │ B₁  │             of C stays in registers while k runs over 128 steps of the
//          └─────┴─────┘             depth: each loads one row of B's panel, broadcasts one column
//    depth    ↓     ↓                of A's, and does gemm_rows × gemm_columns multiply-adds.
//   ┌─────┐┌─────┬─────┐
//   │ A₀  ││ C₀₀ │ C₀₁ │ rows        Every element of C is made by the same operations in the same
//   ├─────┤├─────┼─────┤             order, whatever the tile: AVX2 and AVX-512 give the same bytes,
//   │ A₁  ││ C₁₀ │ C₁₁ │             and a row does not depend on its neighbours. A chain of more
//   └─────┘└─────┴─────┘             than 128 sums would lose digits: the depth is cut in pieces of
//                                    128, and their sums are added in order.
//
// Packed A, so that one cache line holds 16 steps of one row and all offsets in a panel are
// constants:
//   A[row][k] at ((row / gemm_rows · depth/16 + k/16) · gemm_rows + row % gemm_rows) · 16 + k % 16
// Packed B:
//   B[k][column] at (column / gemm_columns · depth + k) · gemm_columns + column % gemm_columns
//
// Bytes moved from the second-level cache for each tile: 4·depth·(gemm_rows + gemm_columns), and C
// twice for each 128 steps, for 2·depth·gemm_rows·gemm_columns operations.

#include <cstddef>

namespace graft::cpu {

// Channels that are handled together: one cache line of floats.
inline constexpr std::size_t channel_block = 16;

// Multiply-adds in one chain: halves the error at depth 512, for about 1 % of the time.
inline constexpr std::size_t gemm_chain = 128;

struct GemmArguments {
  std::size_t rows;     // any, 0 too
  std::size_t columns;  // a multiple of gemm_columns
  std::size_t depth;    // a multiple of channel_block
  const float* a;       // packed; the rows past `rows` in the last panel are not read
  const float* b;       // packed
  const float* next_b;  // what the next call is likely to read as B: fetched meanwhile. Any address
  float* c;             // rows × columns, row-major; overwritten
  std::size_t c_stride;  // floats from one row to the next, ≥ columns
};
using Gemm = void(const GemmArguments& arguments);

}  // namespace graft::cpu
