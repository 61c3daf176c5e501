#include "kernels/cpu/tiling.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <stdexcept>
#include <tuple>

namespace graft::cpu {
namespace {

constexpr TileGoal goals[] = {TileGoal::many_images, TileGoal::one_image};

AxisTiling rows_of(std::size_t outputs, bool pooled, TileGoal goal) {
  return tile_feature_map(outputs, outputs, pooled, goal).rows;
}

TEST(TileFeatureMap, CoversEveryOutputOnceAndOnlyTheLastTileReachesOver) {
  for (const TileGoal goal : goals) {
    for (std::size_t outputs = 1; outputs <= 300; ++outputs) {
      const AxisTiling tiling = rows_of(outputs, false, goal);
      std::size_t next = 0;
      for (std::size_t tile = 0; tile < tiling.count(); ++tile) {
        EXPECT_EQ(tiling.begin(tile), next);
        EXPECT_LT(next, outputs);
        next += tiling.size(tile);
      }
      EXPECT_EQ(next, tiling.covered());
      EXPECT_GE(next, outputs);
    }
  }
}

TEST(TileFeatureMap, TakesEvenTilesBeforeAPool) {
  for (const TileGoal goal : goals) {
    for (std::size_t outputs = 2; outputs <= 300; outputs += 2) {
      const AxisTiling tiling = rows_of(outputs, true, goal);
      EXPECT_EQ(tiling.large % 2, 0U);
      EXPECT_EQ(tiling.small % 2, 0U);
      EXPECT_GE(tiling.covered(), outputs);
    }
  }
}

std::tuple<std::size_t, std::size_t, std::size_t, std::size_t> sizes(std::size_t outputs,
                                                                     bool pooled, TileGoal goal) {
  const AxisTiling t = rows_of(outputs, pooled, goal);
  return {t.large_count, t.large, t.small_count, t.small};
}

TEST(TileFeatureMap, MultipliesLeastForManyImages) {
  constexpr TileGoal goal = TileGoal::many_images;
  EXPECT_EQ(sizes(150, true, goal), std::tuple(25U, 6U, 0U, 6U));
  EXPECT_EQ(sizes(75, false, goal), std::tuple(10U, 6U, 3U, 5U));
  EXPECT_EQ(sizes(74, true, goal), std::tuple(11U, 6U, 2U, 4U));
  EXPECT_EQ(sizes(37, false, goal), std::tuple(2U, 6U, 5U, 5U));
  EXPECT_EQ(sizes(36, true, goal), std::tuple(6U, 6U, 0U, 6U));
  EXPECT_EQ(sizes(18, false, goal), std::tuple(3U, 6U, 0U, 6U));
  EXPECT_EQ(sizes(9, false, goal), std::tuple(1U, 5U, 1U, 4U));
  EXPECT_EQ(sizes(8, true, goal), std::tuple(2U, 4U, 0U, 4U));
}

TEST(TileFeatureMap, TakesSmallerTilesOfSmallMapsForOneImage) {
  constexpr TileGoal goal = TileGoal::one_image;
  EXPECT_EQ(sizes(150, true, goal), sizes(150, true, TileGoal::many_images));
  EXPECT_EQ(sizes(37, false, goal), sizes(37, false, TileGoal::many_images));
  const auto [rows, columns] = tile_feature_map(18, 18, false, goal);
  EXPECT_LT((rows.large + 2) * (columns.large + 2), 64U) << "positions of tiles of 6";
  EXPECT_EQ(sizes(9, false, goal), std::tuple(3U, 3U, 0U, 3U));
  EXPECT_EQ(sizes(8, true, goal), std::tuple(4U, 2U, 0U, 2U));
}

TEST(TileFeatureMap, RefusesAShapeWithoutOutputs) {
  EXPECT_THROW(tile_feature_map(0, 3, false, TileGoal::many_images), std::invalid_argument);
  EXPECT_THROW(tile_feature_map(3, 0, false, TileGoal::many_images), std::invalid_argument);
}

TEST(TileOrder, HasEveryTileOnce) {
  for (const auto& [height, width] : {std::pair(37, 75), {9, 18}, {1, 5}, {12, 13}}) {
    const auto [rows, columns] = tile_feature_map(height, width, false, TileGoal::many_images);
    const TileOrder order({rows, columns}, 3);
    EXPECT_EQ(order.count(), rows.count() * columns.count() * 3);
    std::set<std::tuple<std::size_t, std::size_t, std::size_t>> seen;
    for (std::size_t tile = 0; tile < order.count(); ++tile) {
      const TilePlace place = order.place(tile);
      EXPECT_LT(place.image, 3U);
      EXPECT_LT(place.row, rows.count());
      EXPECT_LT(place.column, columns.count());
      seen.insert({place.image, place.row, place.column});
    }
    EXPECT_EQ(seen.size(), order.count());
  }
}

TEST(TileOrder, KeepsTheTilesOfAPositionSideBySide) {
  const auto [rows, columns] = tile_feature_map(37, 75, false, TileGoal::many_images);
  const TileOrder order({rows, columns}, 2);
  for (std::size_t i = 0; i < rows.large + 2; ++i) {
    for (std::size_t j = 0; j < columns.large + 2; ++j) {
      for (const TileRange block : {TileRange{0, order.count()}, {0, 1}, {17, 90}, {60, 182}}) {
        const TileRange range = order.with_position(i, j, block);
        EXPECT_LE(range.first, range.last);
        for (std::size_t tile = block.first; tile < block.last; ++tile) {
          const TilePlace place = order.place(tile);
          const bool has = i < rows.size(place.row) + 2 && j < columns.size(place.column) + 2;
          EXPECT_EQ(has, tile >= range.first && tile < range.last) << i << ' ' << j << ' ' << tile;
        }
      }
    }
  }
}

}  // namespace
}  // namespace graft::cpu
