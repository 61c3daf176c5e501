// The figures against scikit-learn's and SciPy's on stored numbers (golden_metrics.py), and against
// references that look at every pair of images and every threshold.

#include "engine/report/metrics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "engine/report/report.h"
#include "tests/report/golden_metrics.h"

namespace graft {
namespace {

constexpr double tolerance = 1e-12;

Evaluation evaluation_of(const golden::Case& stored) {
  std::vector<std::string> names(stored.classes), files(stored.labels.size());
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = "class " + std::to_string(i);
  return summarise({0.0, 0, stored.labels.size()}, stored.probabilities, stored.labels, files,
                   names);
}

void expect_equal(const std::optional<double>& found, const std::optional<double>& expected,
                  const std::string& what) {
  ASSERT_EQ(found.has_value(), expected.has_value()) << what;
  if (expected) {
    EXPECT_NEAR(*found, *expected, tolerance) << what;
  }
}

class ScikitLearn : public ::testing::TestWithParam<const golden::Case*> {};

TEST_P(ScikitLearn, HasTheSameFiguresOfEachClass) {
  const golden::Case& stored = *GetParam();
  const Evaluation evaluation = evaluation_of(stored);
  ASSERT_EQ(evaluation.classes.size(), stored.classes);
  for (std::size_t i = 0; i < stored.classes; ++i) {
    const ClassReport& report = evaluation.classes[i];
    expect_equal(report.precision, stored.precision[i], "precision of " + report.name);
    expect_equal(report.recall, stored.recall[i], "recall of " + report.name);
    expect_equal(report.f1, stored.f1[i], "F1 of " + report.name);
    expect_equal(report.auc, stored.auc[i], "AUC of " + report.name);
  }
}

TEST_P(ScikitLearn, HasTheSameFiguresOfAllImages) {
  const golden::Case& stored = *GetParam();
  const Evaluation evaluation = evaluation_of(stored);
  EXPECT_NEAR(evaluation.accuracy, stored.accuracy, tolerance);
  EXPECT_NEAR(evaluation.accuracy_95.low, stored.wilson_low, tolerance);
  EXPECT_NEAR(evaluation.accuracy_95.high, stored.wilson_high, tolerance);
  EXPECT_NEAR(evaluation.balanced_accuracy, stored.balanced_accuracy, tolerance);
  EXPECT_NEAR(evaluation.macro_f1, stored.macro_f1, tolerance);
  EXPECT_NEAR(evaluation.baseline_accuracy, stored.baseline, tolerance);
  expect_equal(evaluation.auc, stored.mean_auc, "AUC");
}

TEST_P(ScikitLearn, HasTheSameBestThreshold) {
  const golden::Case& stored = *GetParam();
  const std::optional<Threshold> best = evaluation_of(stored).best_threshold;
  ASSERT_EQ(best.has_value(), stored.threshold.has_value());
  if (!best) return;
  EXPECT_EQ(best->value, *stored.threshold);
  EXPECT_NEAR(best->balanced_accuracy, *stored.balanced_accuracy_at_threshold, tolerance);
}

INSTANTIATE_TEST_SUITE_P(Stored, ScikitLearn, ::testing::ValuesIn(golden::cases),
                         [](const auto& test) { return std::string(test.param->name); });

// ---- References ----

struct Scores {
  std::vector<float> probabilities;  // of two classes
  std::vector<std::uint32_t> labels;
  float second(std::size_t row) const { return probabilities[2 * row + 1]; }
  std::vector<Cut> cuts() const { return cuts_of(probabilities, labels, 2, 1); }
};

// `levels`: how many different probabilities there can be. Few give many ties.
Scores scores(std::size_t rows, std::uint32_t levels, std::uint32_t seed) {
  Scores result;
  std::uint32_t state = seed;
  const auto draw = [&] { return (state = state * 1664525 + 1013904223) >> 8; };
  for (std::size_t row = 0; row < rows; ++row) {
    result.labels.push_back(draw() % 3 == 0 ? 1 : 0);
    const auto level = std::min(draw() % levels + result.labels.back() * draw() % levels, levels);
    const float p = static_cast<float>(level) / static_cast<float>(levels);
    result.probabilities.insert(result.probabilities.end(), {1.0F - p, p});
  }
  return result;
}

std::optional<double> auc_of_all_pairs(const Scores& of) {
  double won = 0.0, pairs = 0.0;
  for (std::size_t a = 0; a < of.labels.size(); ++a) {
    for (std::size_t b = 0; b < of.labels.size(); ++b) {
      if (of.labels[a] != 1 || of.labels[b] != 0) continue;
      pairs += 1.0;
      won += of.second(a) > of.second(b) ? 1.0 : of.second(a) == of.second(b) ? 0.5 : 0.0;
    }
  }
  return pairs > 0 ? std::optional(won / pairs) : std::nullopt;
}

double balanced_accuracy_at(const Scores& of, double threshold) {
  double count[2] = {}, correct[2] = {};
  for (std::size_t row = 0; row < of.labels.size(); ++row) {
    count[of.labels[row]] += 1.0;
    correct[of.labels[row]] += (of.second(row) > threshold) == (of.labels[row] == 1) ? 1.0 : 0.0;
  }
  return (correct[0] / count[0] + correct[1] / count[1]) / 2;
}

TEST(RocAuc, IsThatOfAllPairsOfImages) {
  for (std::size_t rows = 0; rows < 70; ++rows) {
    for (const std::uint32_t levels : {1U, 2U, 5U, 1000000U}) {
      const Scores drawn = scores(rows, levels, static_cast<std::uint32_t>(rows) + levels);
      expect_equal(roc_auc(drawn.cuts()), auc_of_all_pairs(drawn),
                   std::to_string(rows) + " images, " + std::to_string(levels) + " levels");
    }
  }
}

TEST(BestThreshold, IsAsGoodAsEveryOtherBetweenTheProbabilitiesAndHasTheAccuracyThatItPromises) {
  for (std::size_t rows = 1; rows < 70; ++rows) {
    for (const std::uint32_t levels : {1U, 2U, 5U, 1000000U}) {
      const Scores drawn = scores(rows, levels, static_cast<std::uint32_t>(rows) + levels);
      const std::optional<Threshold> best = best_threshold(drawn.cuts());
      ASSERT_EQ(best.has_value(), auc_of_all_pairs(drawn).has_value() && drawn.cuts().size() > 1);
      if (!best) continue;
      EXPECT_NEAR(balanced_accuracy_at(drawn, best->value), best->balanced_accuracy, tolerance);
      float lowest = drawn.second(0);
      for (std::size_t row = 0; row < rows; ++row) lowest = std::min(lowest, drawn.second(row));
      for (std::size_t row = 0; row < rows; ++row) {
        if (drawn.second(row) == lowest) continue;
        EXPECT_LE(balanced_accuracy_at(drawn, drawn.second(row) - 1e-9),
                  best->balanced_accuracy + tolerance);
      }
    }
  }
}

TEST(BestThreshold, IsOneHalfWhereThatIsAmongTheBestElseTheMeanOfTwoProbabilities) {
  const Scores around = {{0.8F, 0.2F, 0.1F, 0.9F}, {0, 1}};
  EXPECT_EQ(best_threshold(around.cuts())->value, 0.5);
  const Scores below = {{0.75F, 0.25F, 0.625F, 0.375F}, {0, 1}};
  EXPECT_EQ(best_threshold(below.cuts())->value, 0.3125);
  const Scores at = {{0.5F, 0.5F, 0.25F, 0.75F}, {0, 1}};
  EXPECT_EQ(best_threshold(at.cuts())->value, 0.5) << "an image at the threshold is of the first";
  const Scores equal = {{0.1F, 0.9F, 0.1F, 0.9F}, {0, 1}};
  EXPECT_FALSE(best_threshold(equal.cuts()).has_value());
}

TEST(WilsonInterval, IsInsideOfZeroToOneAndClosedAtTheEnds) {
  for (const std::uint64_t count : {1U, 2U, 10U, 1000000U}) {
    EXPECT_EQ(wilson_interval(0, count).low, 0.0);
    EXPECT_GT(wilson_interval(0, count).high, 0.0);
    EXPECT_EQ(wilson_interval(count, count).high, 1.0);
    EXPECT_LT(wilson_interval(count, count).low, 1.0);
  }
  // Newcombe 1998, table I: 81 of 263.
  EXPECT_NEAR(wilson_interval(81, 263).low, 0.2553, 5e-5);
  EXPECT_NEAR(wilson_interval(81, 263).high, 0.3662, 5e-5);
}

}  // namespace
}  // namespace graft
