#include "bench/harness/compare.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "bench/harness/result_file.h"
#include "engine/base/error.h"
#include "made_results.h"
#include "tests/support/support.h"

namespace graft::bench::test {
namespace {

using ::graft::test::error_of;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Result stored(const std::string& name) {
  return read_result(std::filesystem::path(GRAFT_STORED_PAIRS) / (name + ".json"));
}

Comparison of_stored(const std::string& before, const std::string& after) {
  return compare(stored(before), stored(after));
}

Result with(std::vector<double> samples) {
  return made_result({made_measurement("kernels/one", std::move(samples))});
}

std::vector<double> around(double median, double deviation = 0.001, std::size_t count = 30) {
  return made_samples(median, deviation, count, 7);
}

Measurement failed(const std::string& name) {
  Measurement measurement = made_measurement(name, {});
  measurement.ended = Ended::failed;
  measurement.failure = "out of memory";
  return measurement;
}

TEST(Compare, TheSameWithOnePercentOfNoiseIsTheSame) {
  const Comparison comparison = of_stored("before", "same");
  ASSERT_THAT(comparison.rows, SizeIs(3));
  EXPECT_THAT(comparison.rows, Each(Field(&ComparedRow::verdict, Verdict::same)));
  EXPECT_THAT(comparison.warnings, IsEmpty());
}

TEST(Compare, AResultWithItselfIsTheSame) {
  EXPECT_THAT(of_stored("before", "before").rows, Each(Field(&ComparedRow::ratio, 1.0)));
  EXPECT_THAT(of_stored("before", "before").rows,
              Each(Field(&ComparedRow::verdict, Verdict::same)));
}

TEST(Compare, ThreePercentFasterWithOnePercentOfNoiseIsFasterAndBackwardsSlower) {
  EXPECT_THAT(of_stored("before", "faster").rows,
              Each(Field(&ComparedRow::verdict, Verdict::faster)));
  EXPECT_THAT(of_stored("faster", "before").rows,
              Each(Field(&ComparedRow::verdict, Verdict::slower)));
  EXPECT_NEAR(of_stored("before", "faster").rows[0].ratio, 0.97, 0.01);
}

TEST(Compare, ThreePercentFasterWithTenPercentOfNoiseIsAmbiguous) {
  EXPECT_THAT(of_stored("before", "noisy").rows,
              Each(Field(&ComparedRow::verdict, Verdict::ambiguous)));
}

TEST(Compare, TheToleranceSaysWhatIsTheSame) {
  EXPECT_EQ(compare(with(around(1.0)), with(around(1.03))).rows[0].verdict, Verdict::slower);
  EXPECT_EQ(compare(with(around(1.0)), with(around(1.03)), {.tolerance = 0.05}).rows[0].verdict,
            Verdict::same);
  EXPECT_EQ(compare(with(around(1.0, 0.02)), with(around(1.03, 0.02)), {.tolerance = 0.03})
                .rows[0]
                .verdict,
            Verdict::ambiguous)
      << "it straddles";
  EXPECT_EQ(compare(with(around(1.0)), with(around(1.0)), {.tolerance = 0.0}).rows[0].verdict,
            Verdict::ambiguous);
}

TEST(Compare, FewSamplesHaveNoVerdict) {
  const Comparison few = compare(with({1, 1, 1, 1, 1}), with(around(2.0)));
  EXPECT_EQ(few.rows[0].verdict, Verdict::ambiguous);
  EXPECT_THAT(few.rows[0].remarks, Contains("5 samples are too few for a verdict, which takes 6"));
  EXPECT_EQ(compare(with({1, 1, 1, 1, 1, 1}), with(around(2.0))).rows[0].verdict, Verdict::slower);
}

TEST(Compare, RowsOfOnlyOneAreListed) {
  const Comparison comparison =
      compare(made_result({made_measurement("a", around(1)), made_measurement("b", around(1))}),
              made_result({made_measurement("b", around(1)), made_measurement("c", around(1))}));
  EXPECT_THAT(comparison.only_before, ElementsAre("a"));
  EXPECT_THAT(comparison.only_after, ElementsAre("c"));
  EXPECT_THAT(comparison.rows, ElementsAre(Field(&ComparedRow::name, "b")));
}

TEST(Compare, RowsWithoutTimesAreListedWithTheReason) {
  Measurement once = made_measurement("once", {});
  once.ended = Ended::no_times;
  const Comparison comparison =
      compare(made_result({made_measurement("lost", around(1)), failed("found"), once}),
              made_result({failed("lost"), made_measurement("found", around(1)), once}));
  EXPECT_THAT(comparison.rows, IsEmpty());
  ASSERT_THAT(comparison.uncompared, SizeIs(3));
  EXPECT_EQ(comparison.uncompared[0].reason, "after: failed: out of memory");
  EXPECT_TRUE(comparison.uncompared[0].lost);
  EXPECT_EQ(comparison.uncompared[1].reason, "before: failed: out of memory");
  EXPECT_FALSE(comparison.uncompared[1].lost);
  EXPECT_EQ(comparison.uncompared[2].reason,
            "before: the device gives no times; after: the device gives no times");
}

TEST(Compare, WarnsWhereDevicesDriversClocksOrMethodsDiffer) {
  const Result before = with(around(1.0));
  Result after = before;
  after.device.name = "another";
  after.device.driver = "";
  after.at_start.clocks_locked = false;
  after.method.cache = CacheState::hot;
  after.build.build_type = "Debug";
  after.complete = false;
  after.remarks = {"a debug build"};
  const auto warnings = compare(before, after).warnings;
  EXPECT_THAT(warnings, Contains("devices: a made device before, another after"));
  EXPECT_THAT(warnings, Contains("drivers: 580.1 before, unknown after"));
  EXPECT_THAT(warnings, Contains("clocks: locked before, not locked after"));
  EXPECT_THAT(warnings, Contains(HasSubstr("methods: cold caches")));
  EXPECT_THAT(warnings, Contains("builds: Release before, Debug after"));
  EXPECT_THAT(warnings, Contains("after: interrupted"));
  EXPECT_THAT(warnings, Contains("after: a debug build"));
}

TEST(Compare, AnIdleDeviceThatDoesNotTellOfItsClocksIsAskedAtTheEnd) {
  const Result before = with(around(1.0));
  Result after = before;
  after.at_start.clocks_locked.reset();
  after.at_end.clocks_locked = false;
  EXPECT_THAT(compare(before, after).warnings,
              ElementsAre("clocks: locked before, not locked after",
                          "before: a remark, of all of it", "after: a remark, of all of it"));
}

TEST(Compare, OptionsThatMeanNothingAreRefused) {
  const Result result = with(around(1.0));
  for (const double tolerance : {-0.1, 1.0}) {
    EXPECT_THAT(error_of([&] { compare(result, result, {.tolerance = tolerance}); }),
                HasSubstr("tolerance: "));
  }
  EXPECT_THAT(error_of([&] { compare(result, result, {.bootstrap = {.confidence = 1.0}}); }),
              HasSubstr("confidence: 1"));
  EXPECT_THAT(error_of([&] { compare(result, result, {.bootstrap = {.resamples = 0}}); }),
              HasSubstr("0 resamples"));
}

TEST(FailOn, IsSlowerBySomePercents) {
  EXPECT_DOUBLE_EQ(parse_fail_on("slower:5%").slower, 0.05);
  EXPECT_DOUBLE_EQ(parse_fail_on("slower:0.5%").slower, 0.005);
  EXPECT_EQ(parse_fail_on("slower").slower, 0.0);
  for (const char* bad : {"", "slower:", "slower:5", "slower:%", "slower:x%", "slower:-1%",
                          "slower:nan%", "slower:inf%", "faster:5%", "slower:5%%", "slower 5%"})
    EXPECT_THAT(error_of([&] { parse_fail_on(bad); }), HasSubstr("give slower:5%")) << bad;
}

TEST(Fails, WhereARowIsSlowerByMore) {
  const Comparison slower = compare(with(around(1.0)), with(around(1.04)));
  EXPECT_TRUE(fails(slower, parse_fail_on("slower")));
  EXPECT_TRUE(fails(slower, parse_fail_on("slower:3%")));
  EXPECT_FALSE(fails(slower, parse_fail_on("slower:5%")));
  EXPECT_FALSE(fails(of_stored("before", "faster"), {}));
  EXPECT_FALSE(fails(of_stored("before", "same"), {}));
  EXPECT_FALSE(fails(of_stored("before", "noisy"), {})) << "ambiguous is not slower";
}

TEST(Fails, WhereTheLaterOneWasInterrupted) {
  const Result before = with(around(1.0));
  Result after = before;
  after.complete = false;
  EXPECT_TRUE(fails(compare(before, after), {})) << "the cases that are missing may be slower";
  EXPECT_FALSE(fails(compare(after, before), {}));
}

TEST(Fails, WhereACaseFailedAfterSomeSamples) {
  const Measurement good = made_measurement("good", around(1));
  Measurement half = made_measurement("half", around(1));
  const Result before = made_result({good, half});
  half.ended = Ended::failed;
  half.failure = "out of memory";
  const Comparison comparison = compare(before, made_result({good, half}));
  ASSERT_THAT(comparison.uncompared, SizeIs(1));
  EXPECT_EQ(comparison.uncompared[0].reason, "after: failed: out of memory");
  EXPECT_TRUE(fails(comparison, {}));
}

TEST(Fails, WhereACaseThatRanFailsNowAndWhereNothingWasCompared) {
  const Measurement good = made_measurement("good", around(1));
  const Result before = made_result({good, made_measurement("lost", around(1))});
  EXPECT_TRUE(fails(compare(before, made_result({good, failed("lost")})), {}));
  EXPECT_TRUE(fails(compare(before, made_result({})), {}));
  EXPECT_FALSE(fails(compare(before, made_result({good})), {})) << "one was filtered out";
}

TEST(ComparisonText, ShowsEachRowWithItsIntervalAndCountsTheVerdicts) {
  Comparison comparison = compare(with(around(1e-4)), with(around(1.1e-4)));
  comparison.rows[0].interval = {1.0951, 1.1049};
  comparison.uncompared = {{"two", "after: failed: out of memory", true}};
  comparison.only_before = {"three"};
  comparison.only_after = {"four"};
  comparison.warnings = {"drivers: 1 before, 2 after"};
  const std::string text = comparison_text(comparison);
  EXPECT_THAT(text, HasSubstr("before  cuda:0 (a made device), commit 0123456789abcdef with "
                              "changes, 2026-11-24T23:29:52Z\n"));
  EXPECT_THAT(text, HasSubstr("drivers: 1 before, 2 after"));
  EXPECT_THAT(text, ::testing::ContainsRegex("kernels/one  100.. us  110.. us  1.100  1.095 to "
                                             "1.105  slower\n"));
  EXPECT_THAT(text, HasSubstr("not compared:\n    two: after: failed: out of memory\n"));
  EXPECT_THAT(text, HasSubstr("only before:\n    three\n"));
  EXPECT_THAT(text, HasSubstr("only after:\n    four\n"));
  EXPECT_THAT(text, HasSubstr("1 row: 0 faster, 1 slower, 0 same, 0 ambiguous (the same: within "
                              "1 %)\n"));
}

TEST(ComparisonJson, HoldsTheSame) {
  const auto json = nlohmann::json::parse(comparison_json(of_stored("before", "faster")));
  EXPECT_EQ(json["schema"], "graft-bench-compare/1");
  EXPECT_EQ(json["counts"]["faster"], 3);
  EXPECT_EQ(json["rows"][0]["name"], "kernels/short");
  EXPECT_EQ(json["rows"][0]["verdict"], "faster");
  EXPECT_LT(json["rows"][0]["high"].get<double>(), 0.99);
  EXPECT_LT(json["rows"][0]["low"].get<double>(), json["rows"][0]["ratio"].get<double>());
}

}  // namespace
}  // namespace graft::bench::test
