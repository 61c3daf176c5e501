#pragma once
// Winograd's minimal filtering, F(m×m, 3×3): a tile of m×m outputs of a 3×3 convolution from
// (m+2)×(m+2) inputs, with (m+2)² multiplications instead of 9·m². For m = 6 that is 64 instead of
// 324. Source: Lavin and Gray 2015, "Fast algorithms for convolutional neural networks",
// arXiv:1509.09308.
//
//   tile d of the input          V = Bᵀ d B           M[p] = V[p] · U[p]          Y = Aᵀ M A
//   ┌──────────────┐             position p:          64 matrix products         ┌────────────┐
//   │ (m+2)×(m+2)  │   winograd_ ┌────────────┐        ┌──────┐ ┌──────┐ winograd_│ m×m        │
//   │ pixels of    │ ──────────▶ │ tiles × C  │ ─────▶ │tiles │·│ C    │ ───────▶ │ outputs of │
//   │ C channels   │   input     │ packed A   │  gemm  │ × C  │ │ × N  │  output  │ N channels │
//   └──────────────┘             └────────────┘        └──────┘ └──────┘          └────────────┘
//   neighbours overlap                                           U[p] ▲            then bias, ReLU,
//   by two pixels                                                     │            2×2 pool
//                       weights g, 3×3×C×N ─▶ U = G g Gᵀ, once (winograd_weights)
//
// Where the matrices come from: winograd_matrices.h. U does not depend on m: one set of weights
// serves tiles of every size, and a feature map has tiles of two sizes so that they fit it
// (tiling.h).
//
// NaN and infinity: a convolution output that the plain loop makes NaN is NaN here, and one that it
// makes infinite is infinite or NaN (before and after ReLU and pool). Such an input also reaches
// farther than in the plain loop: any output of a tile that reads it may become NaN. Tiles that do
// not read it are untouched.
//
// Bytes moved for a tile and channel, in and out: transform_input 4·(m+2)² each way;
// transform_output reads 4·(m+2)², writes 4·m² (m² with the pool).

#include <cstddef>

#include "kernels/cpu/gemm.h"

namespace graft::cpu {

inline constexpr std::size_t winograd_max_points = 8;  // m + 2 for m = 6
inline constexpr std::size_t winograd_max_positions = winograd_max_points * winograd_max_points;

// m is 2 … 6 along each axis. Positions are numbered row · 8 + column for every m.
struct WinogradInputTile {
  std::size_t rows, columns;  // m along y, along x
  const float*
      pixel[winograd_max_positions];      // channel 0 of each input pixel (or of zeros, outside)
  float* target[winograd_max_positions];  // where channels 0 … 15 of each position go …
  std::size_t target_step;                // … and floats from there to the next 16
  std::size_t channels;                   // a multiple of channel_block
  // Floats from a pixel of this tile to the same one of the tile that is likely to come next: its
  // new pixels are fetched meanwhile.
  std::size_t next;
};

struct WinogradOutputTile {
  std::size_t rows, columns;                     // m along y, along x
  const float* product[winograd_max_positions];  // channel 0 of M at each position
  const float* bias;                             // channels
  std::size_t channels;                          // a multiple of channel_block
  // Outputs past these are computed but not stored: the tile reaches over the edge.
  // With the pool both are even, and so are rows and columns.
  std::size_t valid_rows, valid_columns;
  bool pooled;
  float* target;  // channel 0 of the tile's first output pixel (after the pool, when pooled)
  std::size_t row_stride, pixel_stride;  // floats
  std::size_t next;                      // as in WinogradInputTile, of output pixels
};

using WinogradInput = void(const WinogradInputTile& tile);
using WinogradOutput = void(const WinogradOutputTile& tile);

// kernel: 3 × 3 × inputs × outputs (HWIO). For each of the 8 × 8 positions, row by row, whatever
// tiles will be used, U is packed as B of the GEMM, inputs × outputs rounded up to
// gemm_columns, padded with zeros. Only the GEMM panel `panel` (outputs panel·gemm_columns …) is
// written, so that panels can be made by several threads. Computed in double, rounded once.
struct WinogradWeights {
  std::size_t inputs, outputs;
  const float* kernel;
  float* packed;
  std::size_t panel;
};
using WinogradTransformWeights = void(const WinogradWeights& weights);

}  // namespace graft::cpu
