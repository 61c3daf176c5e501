#include <gmock/gmock.h>

#include "bench/harness/result_file.h"
#include "made_results.h"
#include "tests/support/comma_locale.h"

namespace graft::bench::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// 4 GFLOP and 2 MB of fp16 in 20 us at ceilings of 2 TB/s and 800 TFLOP/s.
Measurement twenty_microseconds() {
  return made_measurement("kernels/one", std::vector<double>(20, 20e-6));
}

TEST(Figures, AreRatesAndSharesOfTheCeilings) {
  const Result result = made_result({twenty_microseconds()});
  const Figures figures = figures_of(result.measurements[0], result.ceilings);
  EXPECT_DOUBLE_EQ(*figures.items_per_second, 4e5);
  EXPECT_DOUBLE_EQ(*figures.bytes_per_second, 1e11);
  EXPECT_DOUBLE_EQ(*figures.flop_per_second, 2e14);
  EXPECT_DOUBLE_EQ(*figures.share_of_copy, 0.05);
  EXPECT_DOUBLE_EQ(*figures.share_of_arithmetic, 0.25);
  EXPECT_DOUBLE_EQ(*figures.share_of_roofline, 0.25) << "5 us of arithmetic, 1 us of memory";
}

TEST(Figures, AreEmptyWithoutACostOrACeiling) {
  Measurement measurement = twenty_microseconds();
  measurement.what.cost.flop = 0.0;
  Ceilings ceilings = made_result({}).ceilings;
  EXPECT_FALSE(figures_of(measurement, ceilings).flop_per_second);
  EXPECT_DOUBLE_EQ(*figures_of(measurement, ceilings).share_of_roofline, 0.05);
  measurement = twenty_microseconds();
  ceilings.flop_per_second.erase(Precision::fp16);
  EXPECT_FALSE(figures_of(measurement, ceilings).share_of_arithmetic);
  EXPECT_TRUE(figures_of(measurement, ceilings).share_of_copy);
  EXPECT_FALSE(figures_of(measurement, ceilings).share_of_roofline)
      << "the arithmetic might be what bounds it";
  measurement.samples.clear();
  EXPECT_FALSE(figures_of(measurement, ceilings).bytes_per_second);
}

TEST(ResultTable, ShowsTheTimesTheRatesAndTheShares) {
  const std::string table = result_table(made_result({twenty_microseconds()}));
  EXPECT_THAT(table, HasSubstr("cuda:0, a made device"));
  EXPECT_THAT(table, HasSubstr("driver 580.1, CUDA 13.0, cuDNN 9.19.0"));
  EXPECT_THAT(table, HasSubstr("with uncommitted changes"));
  EXPECT_THAT(table, HasSubstr("copy 2000 GB/s, fp32 50000 GFLOP/s, fp16 800000 GFLOP/s"));
  EXPECT_THAT(table, HasSubstr("a warning of all cases"));
  EXPECT_THAT(table, HasSubstr("kernels/one  20.00  20.00   20.00  20.00  20.00  us"));
  EXPECT_THAT(table, HasSubstr("400000 images/s"));
  EXPECT_THAT(table, HasSubstr("100.0    5.0 %   200000   25.0 %       25.0 %"));
}

TEST(ResultTable, HasWarningsAndStagesNextToTheFigure) {
  Measurement doubtful = twenty_microseconds();
  doubtful.warnings = {"the noise is 2 %, above the requested 0.5 %"};
  doubtful.stages = {{"read", 0.25}, {"decode", 1.5}};
  Measurement failed = made_measurement("layers/two", {});
  failed.what.suite = Suite::layers;
  failed.ended = Ended::failed;
  failed.failure = "It does not fit.";
  Result result = made_result({doubtful, failed});
  result.complete = false;
  const std::string table = result_table(result);
  EXPECT_THAT(table, HasSubstr("    ! the noise is 2 %, above the requested 0.5 %\n"));
  EXPECT_THAT(table, HasSubstr("stages: read 25.0 %, decode 150.0 %\n"));
  EXPECT_THAT(table, HasSubstr("layers/two\n    ! failed: It does not fit.\n"));
  EXPECT_THAT(table, HasSubstr("interrupted"));
}

TEST(ResultTable, WithoutATimerHoldsNoTime) {
  Measurement once = made_measurement("kernels/one", {});
  once.ended = Ended::no_timer;
  Result result = made_result({once});
  result.has_timer = false;
  result.ceilings = {};
  result.warnings = {"virtual GPU: no timer"};
  const std::string table = result_table(result);
  EXPECT_THAT(table, HasSubstr("kernels/one  virtual GPU: no timer\n"));
  result.warnings = {"no timer: launches wait"};
  EXPECT_THAT(result_table(result), HasSubstr("kernels/one  no timer: launches wait\n"));
  for (const char* unit : {" us", " ms", "/s", " s ", "noise", "median"})
    EXPECT_THAT(table, Not(HasSubstr(unit)));
}

TEST(ResultTable, ACaseWithoutATimerIsSaidAmongOthersThatHaveOne) {
  Measurement once = made_measurement("kernels/two", {});
  once.ended = Ended::no_timer;
  once.warnings = {"its launches wait"};
  const std::string table = result_table(made_result({twenty_microseconds(), once}));
  EXPECT_THAT(table, HasSubstr("no timer\n    ! its launches wait\n"));
}

TEST(ResultTable, DoesNotDependOnTheLocale) {
  const Result result = made_result({twenty_microseconds()});
  const std::string before = result_table(result);
  const graft::test::CommaLocale locale;
  EXPECT_EQ(result_table(result), before);
}

}  // namespace
}  // namespace graft::bench::test
