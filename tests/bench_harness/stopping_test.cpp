#include "bench/harness/statistics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "engine/base/error.h"
#include "made_results.h"
#include "tests/support/support.h"

namespace graft::bench::test {
namespace {

using ::graft::test::error_of;
using ::testing::HasSubstr;

struct End {
  Step step;
  std::size_t samples;
};

// Feeds samples of a millisecond each until the criterion stops.
template <typename Next>
End feed(const Next& next, const Method& method = {}) {
  StoppingCriterion criterion(method);
  Step step = Step::go_on;
  while (step == Step::go_on) {
    criterion.add(next(criterion.samples()));
    step = criterion.step(1e-3 * static_cast<double>(criterion.samples()));
  }
  return {step, criterion.samples()};
}

End feed_noise(double deviation, std::uint64_t seed) {
  NormalNoise noise(seed);
  return feed([&](std::size_t) { return 1e-3 * std::max(0.01, 1.0 + deviation * noise.next()); });
}

TEST(Stopping, SettlesAtOnceWithLittleNoiseLaterWithMoreAndNeverWithMuch) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    const End quiet = feed_noise(0.001, seed);
    EXPECT_EQ(quiet.step, Step::settled);
    EXPECT_EQ(quiet.samples, 20U);
    const End noisy = feed_noise(0.03, seed);
    EXPECT_EQ(noisy.step, Step::settled);
    EXPECT_GT(noisy.samples, 20U);
    EXPECT_LT(noisy.samples, 400U);
    const End loud = feed_noise(0.5, seed);
    EXPECT_EQ(loud.step, Step::time_cap);
    EXPECT_EQ(loud.samples, 5000U);
  }
}

TEST(Stopping, TwoPercentOfNoiseTakeMoreSamplesThanATenthOfOneOnAverage) {
  std::size_t samples = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) samples += feed_noise(0.02, seed).samples;
  EXPECT_GT(samples, 20U * 22U);
}

TEST(Stopping, TheMedianIsThenAsNearAsTheNoiseSays) {
  int near = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    NormalNoise noise(seed);
    StoppingCriterion criterion(Method{});
    std::vector<double> samples;
    while (criterion.step(0.0) == Step::go_on) {
      samples.push_back(1.0 + 0.03 * noise.next());
      criterion.add(samples.back());
    }
    near += std::abs(summarise(samples).median - 1.0) < 2 * 0.005 ? 1 : 0;
  }
  EXPECT_GE(near, 85);
}

TEST(Stopping, DoesNotSettleBeforeTheLeastSamples) {
  Method method;
  method.least_samples = 7;
  EXPECT_EQ(feed([](std::size_t) { return 1e-3; }, method).samples, 7U);
  method.least_samples = 1;
  EXPECT_EQ(feed([](std::size_t) { return 1e-3; }, method).samples, 6U) << "fewer have no noise";
}

TEST(Stopping, DriftIsNotTakenForSettled) {
  // .2 % a sample: the standard error of 20 of them would be low enough.
  const auto drifting = [](std::size_t index) {
    return 1e-3 * (1.0 + 0.002 * static_cast<double>(index));
  };
  StoppingCriterion criterion(Method{});
  for (std::size_t index = 0; index < 20; ++index) criterion.add(drifting(index));
  EXPECT_TRUE(criterion.noise_is_low());
  EXPECT_FALSE(criterion.drift_is_low());
  EXPECT_EQ(criterion.step(0.02), Step::go_on);
  EXPECT_EQ(feed(drifting).step, Step::time_cap);
}

TEST(Stopping, SettlesSomeTimeAfterADriftHasEnded) {
  const End end = feed([](std::size_t index) {
    return 1e-3 * (1.2 - 0.002 * static_cast<double>(std::min<std::size_t>(index, 100)));
  });
  EXPECT_EQ(end.step, Step::settled);
  EXPECT_GT(end.samples, 300U) << "when most of the first half is at the level of the second";
  EXPECT_LT(end.samples, 450U);
}

TEST(Stopping, OneOutlierInAHundredDoesNotMatter) {
  NormalNoise noise(3);
  const End end = feed([&](std::size_t index) {
    return index % 100 == 7 ? 0.5 : 1e-3 * (1.0 + 0.001 * noise.next());
  });
  EXPECT_EQ(end.step, Step::settled);
  EXPECT_EQ(end.samples, 20U);
}

TEST(Stopping, TakesNoMoreThanTheMostSamplesHoweverLongTheTime) {
  NormalNoise noise(4);
  const End end =
      feed([&](std::size_t) { return 1.0 + 0.9 * std::abs(noise.next()); }, Method{.seconds = 1e9});
  EXPECT_EQ(end.step, Step::time_cap);
  EXPECT_EQ(end.samples, most_samples);
}

TEST(Stopping, AMethodThatCannotEndIsRefused) {
  const auto refusal = [](auto change) {
    Method method;
    change(method);
    return error_of([&] { check_method(method); });
  };
  EXPECT_THAT(refusal([](Method& method) { method.noise = -0.1; }),
              HasSubstr("noise: expected 0 or more, such as 0.005, got -0.1"));
  EXPECT_THAT(refusal([](Method& method) { method.noise = std::nan(""); }), HasSubstr("noise"));
  EXPECT_THAT(refusal([](Method& method) { method.seconds = 0.0; }), HasSubstr("got 0 and"));
  EXPECT_THAT(refusal([](Method& method) { method.warm_up_seconds = -1.0; }), HasSubstr("and -1"));
  EXPECT_THAT(refusal([](Method& method) { method.least_samples = 0; }), HasSubstr("got 0"));
  EXPECT_THAT(refusal([](Method& method) { method.least_samples = 5001; }),
              HasSubstr("1 to 5,000"));
}

}  // namespace
}  // namespace graft::bench::test
