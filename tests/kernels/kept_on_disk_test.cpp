// What files of earlier runs rely on. Packed weights are taken from disk when their version is the
// program's, and rows of features when the backbone's numerics are: a change that makes either
// differ must change that number with it. If a test here fails, raise the number, then the digest.

#include <gtest/gtest.h>

#include <array>
#include <span>
#include <vector>

#include "engine/backend/cpu/cpu_backend.h"
#include "engine/base/digest.h"
#include "kernels/cpu/winograd_convolution.h"
#include "tests/kernels/convolution_case.h"
#include "tests/kernels/isa_test.h"

namespace graft::test {
namespace {

using cpu::Isa;
using cpu::TileGoal;

class KeptOnDisk : public IsaTest {};
GRAFT_FOR_EACH_ISA(KeptOnDisk);

TEST_P(KeptOnDisk, PackedWeightsAreThoseOfTheirVersion) {
  const ConvolutionCase layer({6, 6, 16, 32, false});
  const cpu::WinogradConvolution convolution(kernels(), layer.shape, TileGoal::many_images,
                                             {6, 32, false});
  std::vector<float> packed(convolution.weights_size());
  cpu::ThreadPool pool(1);
  // Values that no library's random numbers decide.
  std::vector<float> kernel(layer.kernel.size());
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    kernel[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 64.0F;
  }
  convolution.pack_weights(pool, kernel.data(), packed.data());
  EXPECT_EQ(cpu::packed_weights_version, 1U);
  const char* expected = GetParam() == Isa::portable ? "a5150fb21273317ba3c0fa75b04f437e"
                         : GetParam() == Isa::avx2   ? "ddd7015be5fdaef8aad9eda9cf04d6f2"
                                                     : "039621b1a28e76b517de26248cb267c9";
  EXPECT_EQ(digest_of(std::as_bytes(std::span(packed))).hex(), expected);
}

TEST(KeptOnDiskTiles, AreThoseOfTheNumerics) {
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
              cpu::tile_plane(height / even * even, width / even * even, pooled, goal);
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
