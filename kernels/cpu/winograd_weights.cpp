// U = G g Gᵀ for one panel of output channels, packed as the GEMM's B.

#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/winograd.h"
#include "kernels/cpu/winograd_matrices.h"

namespace graft::cpu::GRAFT_ISA {

static constexpr WinogradMatrix evaluation = winograd_evaluation_matrix(winograd_points, 3);

// One input channel: 3×3 weights for each lane (an output channel).
struct Filters {
  double at[3][3][gemm_tile_columns];
};

static void load_filters(const WinogradWeights& w, std::size_t input, Filters& filters) {
  const std::size_t first = w.panel * gemm_tile_columns;
  for (std::size_t y = 0; y < 3; ++y) {
    for (std::size_t x = 0; x < 3; ++x) {
      const float* from = w.kernel + ((y * 3 + x) * w.inputs + input) * w.outputs;
      for (std::size_t lane = 0; lane < gemm_tile_columns; ++lane) {
        filters.at[y][x][lane] =
            first + lane < w.outputs ? static_cast<double>(from[first + lane]) : 0.0;
      }
    }
  }
}

void winograd_weights(const WinogradWeights& w) {
  const std::size_t panels = (w.outputs + gemm_tile_columns - 1) / gemm_tile_columns;
  const std::size_t panel_size = w.inputs * gemm_tile_columns;
  for (std::size_t input = 0; input < w.inputs; ++input) {
    Filters filters{};
    load_filters(w, input, filters);
    float* target = w.packed + w.panel * panel_size + input * gemm_tile_columns;
    for (std::size_t row = 0; row < w.point_rows; ++row) {
      double g[3][gemm_tile_columns];  // row `row` of G g
      for (std::size_t x = 0; x < 3; ++x) {
        for (std::size_t lane = 0; lane < gemm_tile_columns; ++lane) {
          g[x][lane] = evaluation.at[row][0] * filters.at[0][x][lane] +
                       evaluation.at[row][1] * filters.at[1][x][lane] +
                       evaluation.at[row][2] * filters.at[2][x][lane];
        }
      }
      for (std::size_t column = 0; column < w.point_columns; ++column) {
        for (std::size_t lane = 0; lane < gemm_tile_columns; ++lane) {
          target[lane] = static_cast<float>(evaluation.at[column][0] * g[0][lane] +
                                            evaluation.at[column][1] * g[1][lane] +
                                            evaluation.at[column][2] * g[2][lane]);
        }
        target += panels * panel_size;
      }
    }
  }
}

}  // namespace graft::cpu::GRAFT_ISA
