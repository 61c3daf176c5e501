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

// Inputs that are transformed together: the positions lie a power of two apart, so that their lines
// displace each other in the caches, and a position is better written in runs of several lines.
static constexpr std::size_t input_group = 128 / gemm_tile_columns;  // filters of 9 KiB

// One row of G g for each input of a group.
struct HalfTransformed {
  double at[input_group][3][gemm_tile_columns];
};

static void transform_columns(const Filters* filters, std::size_t count, std::size_t row,
                              HalfTransformed& half) {
  const double* factor = evaluation.at[row];
  for (std::size_t input = 0; input < count; ++input) {
    for (std::size_t x = 0; x < 3; ++x) {
      for (std::size_t lane = 0; lane < gemm_tile_columns; ++lane) {
        half.at[input][x][lane] = factor[0] * filters[input].at[0][x][lane] +
                                  factor[1] * filters[input].at[1][x][lane] +
                                  factor[2] * filters[input].at[2][x][lane];
      }
    }
  }
}

static void transform_rows(const HalfTransformed& half, std::size_t count, std::size_t column,
                           float* target) {
  const double* factor = evaluation.at[column];
  for (std::size_t input = 0; input < count; ++input) {
    const auto& g = half.at[input];
    for (std::size_t lane = 0; lane < gemm_tile_columns; ++lane) {
      target[input * gemm_tile_columns + lane] = static_cast<float>(
          factor[0] * g[0][lane] + factor[1] * g[1][lane] + factor[2] * g[2][lane]);
    }
  }
}

void winograd_weights(const WinogradWeights& w) {
  const std::size_t panels = (w.outputs + gemm_tile_columns - 1) / gemm_tile_columns;
  const std::size_t panel_size = w.inputs * gemm_tile_columns;
  Filters filters[input_group];
  HalfTransformed half;
  for (std::size_t first = 0; first < w.inputs; first += input_group) {
    const std::size_t count = w.inputs - first < input_group ? w.inputs - first : input_group;
    for (std::size_t i = 0; i < count; ++i) load_filters(w, first + i, filters[i]);
    float* target = w.packed + w.panel * panel_size + first * gemm_tile_columns;
    for (std::size_t row = 0; row < winograd_max_points; ++row) {
      transform_columns(filters, count, row, half);
      for (std::size_t column = 0; column < winograd_max_points; ++column) {
        transform_rows(half, count, column, target);
        target += panels * panel_size;
      }
    }
  }
}

}  // namespace graft::cpu::GRAFT_ISA
