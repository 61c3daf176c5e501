#include "kernels/cpu/winograd_convolution.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/kernels/convolution_case.h"
#include "tests/kernels/isa_test.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

using cpu::ConvolutionShape;
using cpu::Isa;
using cpu::TileGoal;
using cpu::WinogradBlocking;
using cpu::WinogradConvolution;

// Of the largest output. F(6) loses about a digit and a half to the plain sum.
constexpr double tolerance = 2e-5;
constexpr WinogradBlocking by_tiles{13, 16, false};
constexpr WinogradBlocking by_channels{29, 32, true};

struct LayerCase : ConvolutionCase {
  using ConvolutionCase::ConvolutionCase;
  explicit LayerCase(const ConvolutionCase& other) : ConvolutionCase(other) {}
  std::vector<float> by(Isa isa, const WinogradBlocking& blocking, std::size_t threads = 1,
                        std::size_t offset = 0, TileGoal goal = TileGoal::many_images) const {
    return ConvolutionCase::by(WinogradConvolution(cpu::kernels_for(isa), shape, goal, blocking),
                               threads, offset);
  }
};

class Winograd : public IsaTest {};
GRAFT_FOR_EACH_ISA(Winograd);

TEST_P(Winograd, IsTheConvolutionOnEveryShapeUpTo40) {
  for (std::size_t side = 1; side <= 40; ++side) {
    const LayerCase layer({side, 41 - side, 16, 32, false});
    for (const TileGoal goal : {TileGoal::many_images, TileGoal::one_image}) {
      EXPECT_TRUE(
          nearly_equal(layer.by(GetParam(), by_tiles, 1, 0, goal), layer.plain(), tolerance))
          << side;
    }
  }
}

TEST_P(Winograd, IsTheConvolutionAndPoolOnEveryShapeUpTo40) {
  for (std::size_t side = 2; side <= 40; ++side) {
    const LayerCase layer({side, 42 - side, 16, 16, true});
    for (const TileGoal goal : {TileGoal::many_images, TileGoal::one_image}) {
      EXPECT_TRUE(
          nearly_equal(layer.by(GetParam(), by_channels, 1, 0, goal), layer.plain(), tolerance))
          << side;
    }
  }
}

TEST_P(Winograd, IsTheConvolutionForEveryNumberOfChannels) {
  for (std::size_t channels = 16; channels <= 144; channels += 16) {
    for (const bool pooled : {false, true}) {
      const LayerCase layer({9, 11, channels, 160 - channels, pooled});
      EXPECT_TRUE(nearly_equal(layer.by(GetParam(), by_tiles), layer.plain(), tolerance))
          << channels;
      EXPECT_TRUE(nearly_equal(layer.by(GetParam(), by_channels), layer.plain(), tolerance))
          << channels;
    }
  }
}

TEST_P(Winograd, IsTheConvolutionOnTheLayersOfAPhoto) {
  for (const ConvolutionShape& shape : {ConvolutionShape{75, 75, 16, 16, true},
                                        {150, 150, 16, 16, true},
                                        {37, 37, 32, 32, false}}) {
    const LayerCase layer(shape);
    const WinogradBlocking blocking = cpu::winograd_blocking(shape, kernels(), 2);
    EXPECT_TRUE(nearly_equal(layer.by(GetParam(), blocking, 2), layer.plain(), tolerance))
        << shape.height;
  }
}

TEST_P(Winograd, IsTheConvolutionOnShapesFrom32To512) {
  for (const auto& [height, width] :
       {std::pair(32U, 512U), {63U, 129U}, {255U, 97U}, {511U, 33U}, {512U, 512U}}) {
    for (const bool pooled : {false, true}) {
      const LayerCase layer({height, width, 16, 16, pooled});
      const WinogradBlocking blocking = cpu::winograd_blocking(layer.shape, kernels(), 2);
      EXPECT_TRUE(nearly_equal(layer.by(GetParam(), blocking, 2), layer.plain(), tolerance))
          << height << 'x' << width;
    }
  }
}

TEST_P(Winograd, NeedsNoAlignment) {
  const LayerCase layer({13, 14, 48, 48, false}, 2);
  const std::vector<float> aligned = layer.by(GetParam(), by_tiles);
  for (std::size_t offset = 1; offset < 16; ++offset) {
    EXPECT_TRUE(same_bytes(layer.by(GetParam(), by_tiles, 1, offset), aligned)) << offset;
  }
}

TEST_P(Winograd, GivesTheSameBytesForAnyThreadsBlockingAndBatch) {
  for (const bool pooled : {false, true}) {
    const LayerCase all({19, 23, 32, 64, pooled}, 5);
    const std::vector<float> expected = all.by(GetParam(), by_tiles);
    for (const std::size_t threads : {1U, 2U, 3U}) {
      for (const WinogradBlocking& blocking :
           {WinogradBlocking{1, 32, false}, {64, 64, false}, {7, 16, true}, {1000, 64, true}}) {
        EXPECT_TRUE(same_bytes(all.by(GetParam(), blocking, threads), expected));
      }
    }
    const LayerCase one{all.image(2)};
    EXPECT_TRUE(same_bytes(one.by(GetParam(), by_channels),
                           std::span(expected).subspan(2 * all.output_size(), all.output_size())));
  }
}

TEST(WinogradBytes, AreTheSameWithAvx2AndAvx512) {
  if (!cpu::supports(Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  for (const ConvolutionShape& shape : {ConvolutionShape{37, 29, 64, 64, false},
                                        {36, 24, 32, 48, true},
                                        {9, 9, 256, 64, false},
                                        {8, 2, 144, 16, true}}) {
    const LayerCase layer(shape, 2);
    EXPECT_TRUE(same_bytes(layer.by(Isa::avx2, by_tiles), layer.by(Isa::avx512, by_channels)));
  }
}

// The contract of winograd.h: outputs that the plain loop makes NaN are NaN, those that it makes
// infinite are infinite or NaN; others differ only where a tile reads the value.
void expect_spread_within_tiles(const LayerCase& broken, const LayerCase& intact, Isa isa,
                                std::size_t y, std::size_t x) {
  const std::vector<float> actual = broken.by(isa, by_tiles);
  const std::vector<float> untouched = intact.by(isa, by_tiles);
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

TEST_P(Winograd, NotANumberAndInfinitySpreadWithinTheirTilesOnly) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const bool pooled : {false, true}) {
    const LayerCase intact({23, 21, 16, 16, pooled});
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
      for (const auto& [y, x] : {std::pair(0U, 0U), {5U, 6U}, {11U, 12U}, {17U, 3U}, {21U, 19U}}) {
        LayerCase broken = intact;
        broken.input[(y * 21 + x) * 16 + 5] = value;
        expect_spread_within_tiles(broken, intact, GetParam(), y, x);
      }
    }
  }
}

TEST_P(Winograd, RefusesWhatItCannotDo) {
  const auto make = [&](const ConvolutionShape& shape, const WinogradBlocking& blocking) {
    return WinogradConvolution(kernels(), shape, TileGoal::many_images, blocking);
  };
  EXPECT_THROW(make({0, 5, 16, 16, false}, by_tiles), std::invalid_argument);
  EXPECT_THROW(make({5, 1, 16, 16, true}, by_tiles), std::invalid_argument);
  EXPECT_THROW(make({5, 5, 3, 16, false}, by_tiles), std::invalid_argument);
  EXPECT_THROW(make({5, 5, 16, 24, false}, by_tiles), std::invalid_argument);
  EXPECT_THROW(make({5, 5, 16, 16, false}, {0, 16, false}), std::invalid_argument);
  EXPECT_THROW(make({5, 5, 16, 16, false}, {4, 8, false}), std::invalid_argument);
}

}  // namespace
}  // namespace graft::test
