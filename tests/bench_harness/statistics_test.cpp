// The expected figures are NumPy 2.4.6's, made once with
//   import numpy as np
//   odd = np.array([3.1, 2.7, 9.4, 1.5, 2.2, 8.8, 3.3, 2.9, 4.05, 2.75, 60.0])
//   even = np.array([5.0, 1.0, 4.0, 2.0])
//   for x in (odd, even):
//       print(np.quantile(x, [0, .25, .5, .75, 1, .1, .9, .333]), np.std(x, ddof=1) / np.mean(x))
//   rng = np.random.default_rng(1)
//   for x in (1 + 0.01 * rng.standard_normal((20000, 101)), rng.exponential(1, (20000, 101))):
//       print(np.median(x, axis=1).std(ddof=1))

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
  EXPECT_DOUBLE_EQ(summarise(odd).noise, standard_error_of_median(sorted(odd)) / 3.1);
  EXPECT_TRUE(std::isinf(summarise(std::vector(8, 0.0)).noise));
}

}  // namespace
}  // namespace graft::bench::test
