#pragma once
// Winograd tiles of a feature map. Along each axis the tiles have two sizes, large and small, so
// that they fit: 37 = 6 + 6 + 5·5, where tiles of 6 alone would compute 42. The tiling depends on
// the shape and the goal alone, never on the machine or on how many images come at a time, because
// it decides how features are rounded.

#include <algorithm>
#include <cstddef>

namespace graft::cpu {

// `large_count` tiles of `large` outputs, then `small_count` of `small`. They cover at least all
// outputs; only the last may reach past the edge.
struct AxisTiling {
  std::size_t large, large_count;
  std::size_t small, small_count;  // small ≤ large; equal when small_count is 0

  std::size_t count() const { return large_count + small_count; }
  std::size_t covered() const { return begin(count()); }
  // Σ (size + 2): what the matrix products of this axis cost.
  std::size_t points() const { return large_count * (large + 2) + small_count * (small + 2); }
  std::size_t size(std::size_t tile) const { return tile < large_count ? large : small; }
  // The first output of a tile.
  std::size_t begin(std::size_t tile) const {
    const std::size_t of_large = std::min(tile, large_count);
    return of_large * large + (tile - of_large) * small;
  }
};

// What a tiling minimises.
enum class TileGoal {
  many_images,  // multiplications alone: the weights are read once for all images
  one_image,    // the weights come from memory for a few tiles: smaller tiles need fewer of them
};

struct Tiling {
  AxisTiling rows, columns;
};

// The cheapest tiling of height × width ≥ 1 × 1 outputs in tiles of 6, 5, 4, 3 and 2. With `pooled` all
// tiles are even, so that no 2×2 window straddles two of them.
Tiling tile_feature_map(std::size_t height, std::size_t width, bool pooled, TileGoal goal);

// The tiles of `images` feature maps in one row, in an order in which the tiles that have any one
// position are next to each other. Position (i, j) exists in tiles with i < m_y + 2 and j < m_x + 2:
//
//     large y, small x │ large y, large x │ small y, large x │ small y, small x
//     └──────── has large rows ──────────┘                                       i ≥ small_y + 2
//                      └─────────── has large columns ───────┘                   j ≥ small_x + 2
//                      └──── has both ────┘
struct TileRange {
  std::size_t first = 0, last = 0;  // [first, last)
  std::size_t count() const { return last - first; }
};
struct TilePlace {
  std::size_t image, row, column;  // row and column count tiles
};
class TileOrder {
 public:
  TileOrder(const Tiling& tiling, std::size_t images);
  std::size_t count() const { return small_small_.last; }
  TilePlace place(std::size_t tile) const;
  // The tiles of [block.first, block.last) that have position (i, j).
  TileRange with_position(std::size_t i, std::size_t j, TileRange block) const;

 private:
  AxisTiling rows_, columns_;
  TileRange large_small_, large_large_, small_large_, small_small_;  // rows first
};

}  // namespace graft::cpu
