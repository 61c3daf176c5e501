// The expected figures are NumPy 2.4.6's, made once with
//   import numpy as np
//   odd = np.array([3.1, 2.7, 9.4, 1.5, 2.2, 8.8, 3.3, 2.9, 4.05, 2.75, 60.0])
//   even = np.array([5.0, 1.0, 4.0, 2.0])
//   for x in (odd, even):
//       print(np.quantile(x, [0, .25, .5, .75, 1, .1, .9, .333]), np.std(x, ddof=1) / np.mean(x))
//   rng = np.random.default_rng(1)
//   for x in (1 + 0.01 * rng.standard_normal((20000, 101)), rng.exponential(1, (20000, 101))):
//       print(np.median(x, axis=1).std(ddof=1))
//   i = np.arange(1, 41.0)
//   x, y = 1 + 0.02 * np.sin(i * i), 0.97 * (1 + 0.02 * np.sin(i * i + 0.5))
//   rng = np.random.default_rng(1)
//   medians = [np.median(rng.choice(z, (200000, 40)), axis=1) for z in (y, x)]
//   print(np.quantile(medians[0] / medians[1], [.025, .975]))

#include "bench/harness/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "engine/base/error.h"
#include "made_results.h"

namespace graft::bench::test {
namespace {

const std::vector<double> odd = {3.1, 2.7, 9.4, 1.5, 2.2, 8.8, 3.3, 2.9, 4.05, 2.75, 60.0};
const std::vector<double> even = {5.0, 1.0, 4.0, 2.0};

std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

TEST(Quantiles, AreNumpys) {
  EXPECT_EQ(quantile(sorted(odd), 0.1), 2.2);
  EXPECT_EQ(quantile(sorted(odd), 0.9), 9.4);
  EXPECT_DOUBLE_EQ(quantile(sorted(odd), 0.333), 2.7995);
  EXPECT_DOUBLE_EQ(quantile(sorted(even), 0.1), 1.3);
  EXPECT_DOUBLE_EQ(quantile(sorted(even), 0.9), 4.7);
  EXPECT_DOUBLE_EQ(quantile(sorted(even), 0.333), 1.999);
  EXPECT_EQ(quantile(std::vector{7.0}, 0.5), 7.0);
}

TEST(Summaries, AreNumpysInAnyOrder) {
  const Summary of_odd = summarise(odd);
  EXPECT_EQ(of_odd.minimum, 1.5);
  EXPECT_EQ(of_odd.lower_quartile, 2.725);
  EXPECT_EQ(of_odd.median, 3.1);
  EXPECT_DOUBLE_EQ(of_odd.upper_quartile, 6.425000000000001);
  EXPECT_EQ(of_odd.maximum, 60.0);
  EXPECT_NEAR(of_odd.relative_deviation, 1.8637972195699877, 1e-14);
  const Summary of_even = summarise(even);
  EXPECT_EQ(of_even.lower_quartile, 1.75);
  EXPECT_EQ(of_even.median, 3.0);
  EXPECT_EQ(of_even.upper_quartile, 4.25);
  EXPECT_NEAR(of_even.relative_deviation, 0.6085806194501846, 1e-15);
}

TEST(Summaries, OfOneSampleHaveNoDeviationAndOfNoneAreRefused) {
  EXPECT_EQ(summarise(std::vector{2.0}).relative_deviation, 0.0);
  EXPECT_EQ(summarise(std::vector{2.0}).median, 2.0);
  EXPECT_THROW(summarise({}), Error);
}

TEST(StandardErrorOfTheMedian, IsTheWidthBetweenTwoOrderStatistics) {
  std::vector<double> values(20);
  for (std::size_t index = 0; index < values.size(); ++index)
    values[index] = static_cast<double>((index + 1) * (index + 1));
  // c = round(10.5 - 2.5758 sqrt(5)) = 5, so (x[16] - x[5]) / (2 z)
  EXPECT_NEAR(standard_error_of_median(values), (256.0 - 25.0) / (2 * 2.5758293035489004), 1e-12);
  EXPECT_TRUE(std::isinf(standard_error_of_median(std::vector{1.0})));
  EXPECT_TRUE(std::isinf(standard_error_of_median(std::vector(5, 1.0)))) << "too few to tell";
  EXPECT_EQ(standard_error_of_median(std::vector(6, 1.0)), 0.0);
}

// The mean over many sets against how the median of such sets scatters in NumPy.
TEST(StandardErrorOfTheMedian, IsThatOfNormalAndOfLongTailedNoise) {
  NormalNoise noise(1);
  double normal = 0.0;
  double exponential = 0.0;
  constexpr int sets = 500;
  for (int set = 0; set < sets; ++set) {
    std::vector<double> values(101);
    std::vector<double> tailed(101);
    for (double& value : values) value = 1.0 + 0.01 * noise.next();
    for (double& value : tailed) {  // half the sum of two squares is exponential
      const double one = noise.next();
      const double other = noise.next();
      value = (one * one + other * other) / 2.0;
    }
    normal += standard_error_of_median(sorted(values)) / sets;
    exponential += standard_error_of_median(sorted(tailed)) / sets;
  }
  EXPECT_NEAR(normal / 0.0012397888772811318, 1.0, 0.08);
  EXPECT_NEAR(exponential / 0.09907351879485485, 1.0, 0.08);
}

TEST(Noise, IsAShareOfTheMedian) {
  EXPECT_DOUBLE_EQ(noise_of(odd), standard_error_of_median(sorted(odd)) / 3.1);
  EXPECT_TRUE(std::isinf(noise_of({})));
  EXPECT_TRUE(std::isinf(noise_of(std::vector{0.0, 0.0})));
}

TEST(TheIntervalOfARatio, IsNumpysBootstrap) {
  std::vector<double> before;
  std::vector<double> after;
  for (int index = 1; index <= 40; ++index) {
    before.push_back(1 + 0.02 * std::sin(index * index));
    after.push_back(0.97 * (1 + 0.02 * std::sin(index * index + 0.5)));
  }
  const Interval interval = interval_of_ratio(before, after);
  EXPECT_NEAR(interval.low, 0.96429657, 1e-3);
  EXPECT_NEAR(interval.high, 0.98527172, 1e-3);
}

TEST(TheIntervalOfARatio, IsTheSameEachTimeAndAnotherWithAnotherSeed) {
  const std::vector<double> before = made_samples(1.0, 0.02, 33, 1);
  const std::vector<double> after = made_samples(1.1, 0.02, 20, 2);
  const Interval one = interval_of_ratio(before, after);
  const Interval again = interval_of_ratio(before, after);
  EXPECT_EQ(one.low, again.low);
  EXPECT_EQ(one.high, again.high);
  Bootstrap other;
  other.seed = 5;
  EXPECT_NE(interval_of_ratio(before, after, other).low, one.low);
}

TEST(TheIntervalOfARatio, HoldsTheTrueRatioAboutAsOftenAsItPromises) {
  constexpr int sets = 200;
  int held = 0;
  Bootstrap quick;
  quick.resamples = 400;
  for (int set = 0; set < sets; ++set) {
    const auto seed = static_cast<std::uint64_t>(2 * set);
    const Interval interval = interval_of_ratio(made_samples(1.0, 0.03, 25, seed),
                                                made_samples(0.9, 0.03, 25, seed + 1), quick);
    held += interval.low <= 0.9 && 0.9 <= interval.high ? 1 : 0;
  }
  EXPECT_GE(held, sets * 90 / 100);
  EXPECT_LT(held, sets);
}

TEST(TheIntervalOfARatio, NeedsASampleOnEachSide) {
  EXPECT_THROW(interval_of_ratio({}, even), Error);
  EXPECT_THROW(interval_of_ratio(even, {}), Error);
  const Interval single = interval_of_ratio(std::vector{2.0}, std::vector{3.0});
  EXPECT_EQ(single.low, 1.5);
  EXPECT_EQ(single.high, 1.5);
}

}  // namespace
}  // namespace graft::bench::test
