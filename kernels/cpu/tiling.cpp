#include "kernels/cpu/tiling.h"

#include <algorithm>
#include <stdexcept>

namespace graft::cpu {

std::size_t AxisTiling::count() const {
  return large_count + small_count;
}

std::size_t AxisTiling::covered() const {
  return begin(count());
}

std::size_t AxisTiling::size(std::size_t tile) const {
  return tile < large_count ? large : small;
}

std::size_t AxisTiling::begin(std::size_t tile) const {
  return std::min(tile, large_count) * large + (tile - std::min(tile, large_count)) * small;
}

AxisTiling tile_axis(std::size_t outputs, bool pooled) {
  if (outputs == 0) throw std::invalid_argument("a plane without outputs has no tiles");
  constexpr std::size_t sizes[] = {6, 5, 4, 2};
  AxisTiling best{};
  std::size_t best_cost = 0;
  const auto consider = [&](AxisTiling tiling) {
    const std::size_t cost =
        tiling.large_count * (tiling.large + 2) + tiling.small_count * (tiling.small + 2);
    // Among equals the one of the most even sizes: 8 = 4 + 4, not 6 + 2, needs fewer weights.
    if (best_cost == 0 || cost < best_cost || (cost == best_cost && tiling.small > best.small)) {
      best = tiling;
      best_cost = cost;
    }
  };
  for (const std::size_t large : sizes) {
    if (pooled && large % 2 != 0) continue;
    const std::size_t most = (outputs + large - 1) / large;
    consider({large, most, large, 0});
    for (const std::size_t small : sizes) {
      if (small >= large || (pooled && small % 2 != 0)) continue;
      for (std::size_t large_count = most - 1; large_count > 0; --large_count) {
        const std::size_t left = outputs - large_count * large;
        consider({large, large_count, small, (left + small - 1) / small});
      }
    }
  }
  return best;
}

std::size_t TileRange::count() const {
  return last - first;
}

TileOrder::TileOrder(const AxisTiling& rows, const AxisTiling& columns, std::size_t images)
    : rows_(rows), columns_(columns) {
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
