#include "kernels/cpu/tiling.h"

#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "kernels/cpu/divide_up.h"

namespace graft::cpu {

namespace {

// For each two sizes, the tiling with the fewest points.
std::vector<AxisTiling> cuts_of_axis(std::size_t outputs, bool pooled) {
  std::vector<AxisTiling> cuts;
  for (const std::size_t large : {6U, 5U, 4U, 3U, 2U}) {
    if (pooled && large % 2 != 0) continue;
    const std::size_t most = divide_up(outputs, large);
    cuts.push_back({large, most, large, 0});
    for (std::size_t small = 2; small < large; ++small) {
      if (pooled && small % 2 != 0) continue;
      AxisTiling best{};
      for (std::size_t large_count = most - 1; large_count > 0; --large_count) {
        const std::size_t left = outputs - large_count * large;
        const AxisTiling cut{large, large_count, small, divide_up(left, small)};
        if (best.large_count == 0 || cut.points() < best.points()) best = cut;
      }
      if (best.large_count != 0) cuts.push_back(best);
    }
  }
  return cuts;
}

// Per input and output channel, in multiply-adds. Memory and multiplications overlap, but not well:
// half of the shorter one shows.
double cost(const AxisTiling& rows, const AxisTiling& columns, TileGoal goal) {
  // Multiply-adds in the time that one weight takes to arrive. Two cores of Zen 5 are quickest with
  // 14 to 20 in AVX2 and with 20 to 28 in AVX-512.
  constexpr double weight_cost = 20;
  const double products = static_cast<double>(rows.points() * columns.points());
  if (goal == TileGoal::many_images) return products;
  const double weights = weight_cost * static_cast<double>((rows.large + 2) * (columns.large + 2));
  return std::max(products, weights) + 0.5 * std::min(products, weights);
}

}  // namespace

Tiling tile_feature_map(std::size_t height, std::size_t width, bool pooled, TileGoal goal) {
  if (height == 0 || width == 0) {
    throw std::invalid_argument("a feature map without outputs has no tiles");
  }
  const std::vector<AxisTiling> columns = cuts_of_axis(width, pooled);
  Tiling best{};
  // Among equals the one with fewer positions, which needs fewer weights: 8 = 4 + 4, not 6 + 2; then
  // the one of more even sizes: 74 = 11·6 + 2·4, not 12·6 + 2.
  using Rank = std::tuple<double, std::size_t, std::size_t>;
  Rank least{};
  for (const AxisTiling& row_cut : cuts_of_axis(height, pooled)) {
    for (const AxisTiling& column_cut : columns) {
      const Rank here{cost(row_cut, column_cut, goal), row_cut.large + column_cut.large,
                      row_cut.large - row_cut.small + column_cut.large - column_cut.small};
      if (best.rows.large == 0 || here < least) {
        best = {row_cut, column_cut};
        least = here;
      }
    }
  }
  return best;
}

TileOrder::TileOrder(const Tiling& tiling, std::size_t images)
    : rows_(tiling.rows), columns_(tiling.columns) {
  const AxisTiling &rows = rows_, &columns = columns_;
  large_small_ = {0, rows.large_count * columns.small_count * images};
  large_large_ = {large_small_.last,
                  large_small_.last + rows.large_count * columns.large_count * images};
  small_large_ = {large_large_.last,
                  large_large_.last + rows.small_count * columns.large_count * images};
  small_small_ = {small_large_.last,
                  small_large_.last + rows.small_count * columns.small_count * images};
}

TilePlace TileOrder::place(std::size_t tile) const {
  const bool large_rows = tile < large_large_.last;
  const bool large_columns = tile >= large_small_.last && tile < small_large_.last;
  const TileRange group = large_rows ? (large_columns ? large_large_ : large_small_)
                                     : (large_columns ? small_large_ : small_small_);
  const std::size_t width = large_columns ? columns_.large_count : columns_.small_count;
  const std::size_t height = large_rows ? rows_.large_count : rows_.small_count;
  const std::size_t index = tile - group.first;
  return {index / (height * width), index / width % height + (large_rows ? 0 : rows_.large_count),
          index % width + (large_columns ? 0 : columns_.large_count)};
}

TileRange TileOrder::with_position(std::size_t i, std::size_t j, TileRange block) const {
  const bool large_rows_only = i >= rows_.small + 2;
  const bool large_columns_only = j >= columns_.small + 2;
  TileRange all{0, small_small_.last};
  if (large_rows_only) all.last = large_large_.last;
  if (large_columns_only) {
    all.first = large_small_.last;
    all.last = std::min(all.last, small_large_.last);
  }
  const std::size_t first = std::max(all.first, block.first);
  return {first, std::max(first, std::min(all.last, block.last))};
}

}  // namespace graft::cpu
