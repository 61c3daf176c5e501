// Convolutions by Winograd and by the plain matrix product against the reference implementation.

#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>

#include "kernels/cpu/gemm_convolution.h"
#include "kernels/cpu/winograd_convolution.h"
#include "tests/kernels/convolution_case.h"
#include "tests/kernels/isa_test.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using cpu::ConvolutionShape;
using cpu::GemmConvolution;
using cpu::Isa;
using cpu::KernelTable;
using cpu::TileGoal;
using cpu::WinogradBlocking;
using cpu::WinogradConvolution;

constexpr WinogradBlocking by_tiles{13, 16, false};
constexpr WinogradBlocking by_channels{29, 32, true};

struct Algorithm {
  const char* name;
  double tolerance;  // of the largest output. F(6) loses about a digit and a half to the plain sum
  std::unique_ptr<cpu::Convolution> (*make)(const KernelTable&, const ConvolutionShape&);
};

template <TileGoal goal>
std::unique_ptr<cpu::Convolution> winograd(const KernelTable& kernels,
                                           const ConvolutionShape& shape) {
  return std::make_unique<WinogradConvolution>(kernels, shape, goal,
                                               cpu::winograd_blocking(shape, kernels, 2));
}

const Algorithm algorithms[] = {
    {"direct", 1e-6,
     [](const auto& kernels, const auto& shape) -> std::unique_ptr<cpu::Convolution> {
       return std::make_unique<GemmConvolution>(kernels, shape);
     }},
    {"Winograd by tiles", 2e-5,
     [](const auto& kernels, const auto& shape) -> std::unique_ptr<cpu::Convolution> {
       return std::make_unique<WinogradConvolution>(kernels, shape, TileGoal::many_images,
                                                    by_tiles);
     }},
    {"Winograd by channels", 2e-5,
     [](const auto& kernels, const auto& shape) -> std::unique_ptr<cpu::Convolution> {
       return std::make_unique<WinogradConvolution>(kernels, shape, TileGoal::many_images,
                                                    by_channels);
     }},
    {"Winograd of many images", 2e-5, winograd<TileGoal::many_images>},
    {"Winograd of one image", 2e-5, winograd<TileGoal::one_image>},
};

std::vector<float> by(Isa isa, const Algorithm& algorithm, const ConvolutionCase& layer,
                      std::size_t threads = 1, std::size_t offset = 0) {
  return layer.by(*algorithm.make(cpu::kernels_for(isa), layer.shape), threads, offset);
}

std::vector<float> by(Isa isa, const WinogradBlocking& blocking, const ConvolutionCase& layer,
                      std::size_t threads = 1) {
  return layer.by(
      WinogradConvolution(cpu::kernels_for(isa), layer.shape, TileGoal::many_images, blocking),
      threads, 0);
}

class Convolution : public IsaTest {
 protected:
  static void expect_right(const ConvolutionShape& shape, std::size_t threads = 1) {
    const ConvolutionCase layer(shape);
    const std::vector<float> plain = layer.plain();
    for (const Algorithm& algorithm : algorithms) {
      EXPECT_TRUE(
          nearly_equal(by(GetParam(), algorithm, layer, threads), plain, algorithm.tolerance))
          << algorithm.name << ", " << shape.height << 'x' << shape.width << 'x' << shape.inputs;
    }
  }
};
GRAFT_FOR_EACH_ISA(Convolution);

TEST_P(Convolution, IsRightForEveryShapeUpTo40) {
  for (std::size_t side = 1; side <= 40; ++side) expect_right({side, 41 - side, 16, 32, false});
  for (std::size_t side = 2; side <= 40; ++side) expect_right({side, 42 - side, 16, 16, true});
}

TEST_P(Convolution, IsRightForEveryNumberOfChannels) {
  for (std::size_t channels = 16; channels <= 144; channels += 16) {
    for (const bool pooled : {false, true}) expect_right({9, 11, channels, 160 - channels, pooled});
  }
}

TEST_P(Convolution, IsRightForTheLayersOfAPhotoAndLargeShapes) {
  expect_right({75, 75, 16, 16, true}, 2);
  expect_right({150, 150, 16, 16, true}, 2);
  expect_right({37, 37, 32, 32, false}, 2);
  for (const auto& [height, width] :
       {std::pair(32U, 512U), {63U, 129U}, {255U, 97U}, {511U, 33U}, {512U, 512U}}) {
    for (const bool pooled : {false, true}) expect_right({height, width, 16, 16, pooled}, 2);
  }
}

TEST_P(Convolution, HasTheSameBytesForAnyAlignmentThreadsBlockingAndBatch) {
  for (const bool pooled : {false, true}) {
    const ConvolutionCase all({19, 23, 32, 64, pooled}, 5);
    for (const Algorithm& algorithm : algorithms) {
      SCOPED_TRACE(algorithm.name);
      const std::vector<float> expected = by(GetParam(), algorithm, all);
      for (std::size_t offset = 1; offset < 16; ++offset) {
        EXPECT_TRUE(same_bytes(by(GetParam(), algorithm, all, 1 + offset % 3, offset), expected));
      }
      const std::span of_one = std::span(expected).subspan(2 * all.output_size());
      EXPECT_TRUE(
          same_bytes(by(GetParam(), algorithm, all.image(2)), of_one.first(all.output_size())));
    }
    const std::vector<float> expected = by(GetParam(), by_tiles, all);
    for (const std::size_t threads : {1U, 2U, 3U}) {
      for (const WinogradBlocking& blocking :
           {WinogradBlocking{1, 32, false}, {64, 64, false}, {7, 16, true}, {1000, 64, true}}) {
        EXPECT_TRUE(same_bytes(by(GetParam(), blocking, all, threads), expected));
      }
    }
  }
}

TEST(ConvolutionBytes, AreTheSameWithAvx2AndAvx512) {
  if (!cpu::supports(Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  for (const ConvolutionShape& shape : {ConvolutionShape{37, 29, 64, 64, false},
                                        {36, 24, 32, 48, true},
                                        {17, 31, 48, 80, false},
                                        {9, 9, 256, 64, false},
                                        {8, 2, 144, 16, true}}) {
    const ConvolutionCase layer(shape, 2);
    for (const Algorithm& algorithm : algorithms) {
      EXPECT_TRUE(same_bytes(by(Isa::avx2, algorithm, layer), by(Isa::avx512, algorithm, layer)));
    }
  }
}

TEST_P(Convolution, DirectKeepsNotANumberAndInfinityWhereTheReferenceHasThem) {
  for (const bool pooled : {false, true}) {
    ConvolutionCase layer({11, 13, 16, 16, pooled});
    layer.input[(3 * 13 + 4) * 16] = std::numeric_limits<float>::quiet_NaN();
    layer.input[(8 * 13 + 9) * 16 + 1] = std::numeric_limits<float>::infinity();
    EXPECT_TRUE(nearly_equal(by(GetParam(), algorithms[0], layer), layer.plain(), 1e-6));
  }
}

// The contract of winograd.h: outputs that the plain loop makes NaN are NaN, those that it makes
// infinite are infinite or NaN; others differ only where a tile reads the value.
void expect_spread_within_tiles(const ConvolutionCase& broken, const ConvolutionCase& intact,
                                Isa isa, std::size_t y, std::size_t x) {
  const std::vector<float> actual = by(isa, by_tiles, broken);
  const std::vector<float> untouched = by(isa, by_tiles, intact);
  const std::vector<float> plain = broken.plain();
  const ConvolutionShape& shape = broken.shape;
  const std::size_t halving = shape.pooled ? 2 : 1;
  const auto [rows, columns] =
      cpu::tile_feature_map(shape.output_height() * halving, shape.output_width() * halving,
                            shape.pooled, TileGoal::many_images);
  // Whether the tile that holds this output reads input `at`: outputs begin-1 … begin+size.
  const auto reads = [](const cpu::AxisTiling& axis, std::size_t output, std::size_t at) {
    std::size_t tile = 0;
    while (axis.begin(tile) + axis.size(tile) <= output) ++tile;
    return at + 1 >= axis.begin(tile) && at < axis.begin(tile) + axis.size(tile) + 1;
  };
  std::size_t poisoned = 0;
  for (std::size_t index = 0; index < actual.size(); ++index) {
    const std::size_t pixel = index / shape.outputs;
    const std::size_t row = pixel / shape.output_width() * halving;
    const std::size_t column = pixel % shape.output_width() * halving;
    if (std::isnan(plain[index])) {
      EXPECT_TRUE(std::isnan(actual[index])) << row << ' ' << column;
    }
    if (std::isinf(plain[index])) {
      EXPECT_FALSE(std::isfinite(actual[index])) << row << ' ' << column;
    }
    if (!reads(rows, row, y) || !reads(columns, column, x)) {
      EXPECT_EQ(actual[index], untouched[index]) << row << ' ' << column;
    }
    poisoned += std::isfinite(actual[index]) ? 0 : 1;
  }
  EXPECT_GT(poisoned, 0U);
}

TEST_P(Convolution, NotANumberAndInfinityInWinogradSpreadWithinTheirTilesOnly) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const bool pooled : {false, true}) {
    const ConvolutionCase intact({23, 21, 16, 16, pooled});
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
      for (const auto& [y, x] : {std::pair(0U, 0U), {5U, 6U}, {11U, 12U}, {17U, 3U}, {21U, 19U}}) {
        ConvolutionCase broken = intact;
        broken.input[(y * 21 + x) * 16 + 5] = value;
        expect_spread_within_tiles(broken, intact, GetParam(), y, x);
      }
    }
  }
}

TEST_P(Convolution, RefusesShapesAndBlockingsThatBreakTheRules) {
  for (const ConvolutionShape& shape : {ConvolutionShape{0, 5, 16, 16, false},
                                        {5, 1, 16, 16, true},
                                        {5, 5, 3, 16, false},
                                        {5, 5, 16, 24, false}}) {
    for (const Algorithm& algorithm : algorithms) {
      EXPECT_THROW(algorithm.make(kernels(), shape), std::invalid_argument);
    }
  }
  for (const WinogradBlocking& blocking : {WinogradBlocking{0, 16, false}, {4, 8, false}}) {
    EXPECT_THROW(
        WinogradConvolution(kernels(), {5, 5, 16, 16, false}, TileGoal::many_images, blocking),
        std::invalid_argument);
  }
}

}  // namespace
}  // namespace graft::test
