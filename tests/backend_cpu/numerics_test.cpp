// Rows of features on the disk are used again while the backbone's numerics are the same: a change of
// the tiles must change the number in them. If the test here fails, raise the number, then the
// digest.

#include <gtest/gtest.h>

#include <array>
#include <span>

#include "engine/backend/cpu/cpu_backend.h"
#include "engine/base/digest.h"
#include "kernels/cpu/tiling.h"

namespace graft::test {
namespace {

using cpu::Isa;
using cpu::TileGoal;

TEST(CpuNumerics, ChangeWithTheTiles) {
  cpu::CpuBackend backend(1, Isa::portable);
  BackboneOptions one_image;
  one_image.batch_size = 1;
  EXPECT_EQ(backend.numerics({}), "cpu fp32 winograd 2");
  EXPECT_EQ(backend.numerics(one_image), "cpu fp32 winograd 2, one image 2");
  Digester digester;
  for (std::size_t height = 2; height <= 256; ++height) {
    for (const std::size_t width : {height, 2 * ((height + 7) / 3)}) {
      for (const bool pooled : {false, true}) {
        for (const TileGoal goal : {TileGoal::many_images, TileGoal::one_image}) {
          const std::size_t even = pooled ? 2 : 1;
          const auto [rows, columns] =
              cpu::tile_feature_map(height / even * even, width / even * even, pooled, goal);
          const std::array<std::size_t, 8> cut = {
              rows.large,    rows.large_count,    rows.small,    rows.small_count,
              columns.large, columns.large_count, columns.small, columns.small_count};
          digester.add(std::as_bytes(std::span(cut)));
        }
      }
    }
  }
  EXPECT_EQ(digester.digest().hex(), "ebd0ae95bc9fc64864284d9c6e89522f");
}

}  // namespace
}  // namespace graft::test
