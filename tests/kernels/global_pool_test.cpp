// global_pool against its reference implementation.

#include <cmath>
#include <limits>

#include "kernels/cpu/kernels.h"
#include "tests/kernels/guarded_floats.h"
#include "tests/kernels/isa_test.h"
#include "tests/reference/feature_map_ops.h"
#include "tests/support/support.h"

namespace graft::test {
namespace {

constexpr std::size_t channels = cpu::global_pool_channels;
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

reference::ChannelStatistics run(const cpu::KernelTable& kernels, std::span<const float> values,
                                 std::size_t height, std::size_t width, std::size_t offset = 0) {
  GuardedFloats map(values, offset);
  GuardedFloats average(channels, (offset + 1) % 16), maximum(channels, (offset + 2) % 16);
  kernels.global_pool({height, width, channels, map.data(), average.data(), maximum.data()});
  EXPECT_TRUE(average.guards_intact() && maximum.guards_intact());
  return {{average.values().begin(), average.values().end()},
          {maximum.values().begin(), maximum.values().end()}};
}

class GlobalPool : public IsaTest {};
GRAFT_FOR_EACH_ISA(GlobalPool);

TEST_P(GlobalPool, IsTheReferenceForEverySizeAndAlignment) {
  for (std::size_t height = 1; height <= 9; ++height) {
    for (std::size_t width = 1; width <= 9; ++width) {
      const std::size_t offset = (height * 9 + width) % 16;
      const std::vector<float> values = random_values(height * width * channels, 1);
      const auto expected = reference::global_pool(values, {1, height, width, channels});
      const auto [average, maximum] = run(kernels(), values, height, width, offset);
      ASSERT_TRUE(nearly_equal(average, expected.average, 1e-6)) << height << " × " << width;
      ASSERT_TRUE(same_bytes(maximum, expected.maximum)) << height << " × " << width;
    }
  }
}

// A map of more channels, of which these are in the middle.
TEST_P(GlobalPool, TakesItsChannelsOutOfAWiderMap) {
  constexpr std::size_t all = 3 * channels, pixels = 5 * 7;
  const std::vector<float> values = random_values(pixels * all, 2);
  const auto expected = reference::global_pool(values, {1, 5, 7, all});
  std::vector<float> average(channels), maximum(channels);
  kernels().global_pool({5, 7, all, values.data() + channels, average.data(), maximum.data()});
  EXPECT_TRUE(nearly_equal(average, std::span(expected.average).subspan(channels, channels), 1e-6));
  EXPECT_TRUE(same_bytes(maximum, std::span(expected.maximum).subspan(channels, channels)));
}

TEST_P(GlobalPool, WritesOnlyWhatIsWanted) {
  const std::vector<float> values = random_values(6 * channels, 3);
  const auto both = run(kernels(), values, 2, 3);
  std::vector<float> alone(channels);
  kernels().global_pool({2, 3, channels, values.data(), alone.data(), nullptr});
  EXPECT_TRUE(same_bytes(alone, both.average));
  kernels().global_pool({2, 3, channels, values.data(), nullptr, alone.data()});
  EXPECT_TRUE(same_bytes(alone, both.maximum));
}

// One chain of 262,144 sums would be wrong by 1e-5.
TEST_P(GlobalPool, LosesNoDigitsOnALargeMap) {
  constexpr std::size_t side = 512;
  std::vector<float> values = random_values(side * side * channels, 4, 0.5F);
  for (float& value : values) value += 1.0F;
  const auto expected = reference::global_pool(values, {1, side, side, channels});
  EXPECT_TRUE(nearly_equal(run(kernels(), values, side, side).average, expected.average, 2e-6));
}

TEST_P(GlobalPool, ANanInAChannelMakesItsStatisticsNan) {
  constexpr std::size_t pixels = 3 * 4;
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (const std::size_t channel : {std::size_t{0}, std::size_t{13}, channels - 1}) {
      std::vector<float> values = random_values(pixels * channels, 5);
      values[pixel * channels + channel] = nan;
      const auto expected = reference::global_pool(values, {1, 3, 4, channels});
      const auto [average, maximum] = run(kernels(), values, 3, 4);
      ASSERT_TRUE(std::isnan(average[channel]) && std::isnan(maximum[channel])) << pixel;
      ASSERT_TRUE(nearly_equal(average, expected.average, 1e-6)) << pixel;
      ASSERT_TRUE(nearly_equal(maximum, expected.maximum, 0.0)) << pixel;
    }
  }
}

TEST_P(GlobalPool, InfinitiesStay) {
  std::vector<float> values = random_values(4 * channels, 6);
  values[2 * channels] = infinity;
  values[3 * channels + 1] = -infinity;
  values[2] = infinity;
  values[3 * channels + 2] = -infinity;
  for (std::size_t pixel = 0; pixel < 4; ++pixel) values[pixel * channels + 3] = -infinity;
  const auto [average, maximum] = run(kernels(), values, 2, 2);
  EXPECT_EQ(average[0], infinity);
  EXPECT_EQ(maximum[0], infinity);
  EXPECT_EQ(average[1], -infinity);
  EXPECT_TRUE(std::isfinite(maximum[1]));
  EXPECT_TRUE(std::isnan(average[2])) << "∞ - ∞";
  EXPECT_EQ(maximum[2], infinity);
  EXPECT_EQ(maximum[3], -infinity);
  const auto expected = reference::global_pool(values, {1, 2, 2, channels});
  EXPECT_TRUE(nearly_equal(average, expected.average, 1e-6));
  EXPECT_TRUE(nearly_equal(maximum, expected.maximum, 0.0));
}

TEST_P(GlobalPool, IsTheSameBytesOnEveryVectorUnit) {
  const std::vector<float> values = random_values(37 * 45 * channels, 7);
  const auto here = run(kernels(), values, 37, 45);
  const auto plain = run(cpu::kernels_for(cpu::Isa::portable), values, 37, 45);
  EXPECT_TRUE(same_bytes(here.average, plain.average));
  EXPECT_TRUE(same_bytes(here.maximum, plain.maximum));
}

}  // namespace
}  // namespace graft::test
