// Sigmoid and softmax with cross-entropy: values, gradients, counting.

#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/cpu/cross_entropy.h"
#include "tests/kernels/guarded_floats.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using test::random_values;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

double binary_loss(long double logit, std::uint32_t label) {
  const long double probability = 1.0L / (1.0L + std::exp(-logit));
  return static_cast<double>(-std::log(label == 1 ? probability : 1.0L - probability));
}

double categorical_loss(std::span<const double> logits, std::size_t label) {
  long double sum = 0.0L;
  for (const double logit : logits) sum += std::exp(static_cast<long double>(logit));
  return static_cast<double>(std::log(sum) - logits[label]);
}

TEST(SigmoidCrossEntropy, IsTheLossOfItsDefinition) {
  const std::vector<float> logits = random_values(200, 1, 8.0F);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto label = static_cast<std::uint32_t>(i % 2);
    const cpu::BatchLoss batch = cpu::sigmoid_cross_entropy(&logits[i], &label, 1, nullptr);
    EXPECT_NEAR(batch.loss_sum, binary_loss(logits[i], label), 1e-12);
  }
}

TEST(SigmoidCrossEntropy, SumsItsRowsAndDividesTheGradientByTheirNumber) {
  const std::vector<float> logits = {1.5F, -0.25F, 3.0F};
  const std::vector<std::uint32_t> labels = {1, 1, 0};
  std::vector<float> gradient(3);
  const cpu::BatchLoss batch =
      cpu::sigmoid_cross_entropy(logits.data(), labels.data(), 3, gradient.data());
  EXPECT_NEAR(batch.loss_sum, binary_loss(1.5, 1) + binary_loss(-0.25, 1) + binary_loss(3.0, 0),
              1e-12);
  EXPECT_EQ(batch.correct, 1U);
  constexpr double step = 1e-5;
  for (std::size_t i = 0; i < 3; ++i) {
    const double slope =
        (binary_loss(logits[i] + step, labels[i]) - binary_loss(logits[i] - step, labels[i])) /
        (2.0 * step);
    EXPECT_NEAR(gradient[i], slope / 3.0, 1e-8) << "row " << i;
  }
}

TEST(SigmoidCrossEntropy, StaysFiniteAtHugeLogits) {
  const std::vector<float> logits = {1e4F, -1e4F, 1e4F, -1e4F};
  const std::vector<std::uint32_t> labels = {1, 0, 0, 1};
  std::vector<float> gradient(4);
  const cpu::BatchLoss batch =
      cpu::sigmoid_cross_entropy(logits.data(), labels.data(), 4, gradient.data());
  EXPECT_DOUBLE_EQ(batch.loss_sum, 2e4);
  EXPECT_EQ(batch.correct, 2U);
  EXPECT_EQ(gradient, (std::vector<float>{0.0F, 0.0F, 0.25F, -0.25F}));
}

TEST(SigmoidCrossEntropy, ExactlyOneHalfCountsAsClassZero) {
  const std::vector<float> logits = {0.0F, 0.0F, 1e-3F};
  const std::vector<std::uint32_t> labels = {0, 1, 1};
  EXPECT_EQ(cpu::sigmoid_cross_entropy(logits.data(), labels.data(), 3, nullptr).correct, 2U);
}

TEST(SigmoidCrossEntropy, ANanLogitGivesANanLoss) {
  const std::uint32_t label = 1;
  float gradient = 0.0F;
  const cpu::BatchLoss batch = cpu::sigmoid_cross_entropy(&nan, &label, 1, &gradient);
  EXPECT_TRUE(std::isnan(batch.loss_sum));
  EXPECT_TRUE(std::isnan(gradient));
  EXPECT_EQ(batch.correct, 0U);
}

TEST(SigmoidProbabilities, AreBothClassesAndSumToOne) {
  const std::vector<float> logits = {0.0F, 2.0F, -30.0F, 500.0F, -500.0F};
  std::vector<float> probabilities(10);
  cpu::sigmoid_probabilities(logits.data(), 5, probabilities.data());
  for (std::size_t row = 0; row < 5; ++row) {
    const double p = 1.0 / (1.0 + std::exp(-static_cast<double>(logits[row])));
    EXPECT_FLOAT_EQ(probabilities[2 * row + 1], static_cast<float>(p));
    EXPECT_NEAR(probabilities[2 * row] + probabilities[2 * row + 1], 1.0, 1e-7);
  }
  EXPECT_GT(probabilities[5], 0.0F);  // a small probability keeps its digits
}

TEST(SoftmaxCrossEntropy, IsTheLossAndTheGradientOfItsDefinition) {
  constexpr double step = 1e-5;
  for (const std::size_t classes : {3, 4, 10, 33}) {
    constexpr std::size_t rows = 6;
    const std::vector<float> logits = random_values(rows * classes, 2, 5.0F);
    std::vector<std::uint32_t> labels(rows);
    for (std::size_t r = 0; r < rows; ++r) labels[r] = static_cast<std::uint32_t>(7 * r % classes);
    std::vector<float> gradient(rows * classes);
    const cpu::BatchLoss batch =
        cpu::softmax_cross_entropy(logits.data(), labels.data(), rows, classes, gradient.data());
    double expected = 0.0;
    for (std::size_t r = 0; r < rows; ++r) {
      const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(r * classes);
      std::vector<double> row(begin, begin + static_cast<std::ptrdiff_t>(classes));
      expected += categorical_loss(row, labels[r]);
      for (std::size_t c = 0; c < classes; ++c) {
        std::vector<double> above = row;
        std::vector<double> below = row;
        above[c] += step;
        below[c] -= step;
        const double slope =
            (categorical_loss(above, labels[r]) - categorical_loss(below, labels[r])) /
            (2.0 * step);
        EXPECT_NEAR(gradient[r * classes + c], slope / rows, 1e-8) << r << ' ' << c;
      }
    }
    EXPECT_NEAR(batch.loss_sum, expected, 1e-11);
  }
}

TEST(SoftmaxCrossEntropy, OfEqualProbabilitiesTheFirstCounts) {
  const std::vector<float> logits = {1.0F, 1.0F, 0.0F, 0.0F, 2.0F, 2.0F, 0.0F, 1.0F, 5.0F};
  const std::vector<std::uint32_t> labels = {0, 2, 2};
  EXPECT_EQ(cpu::softmax_cross_entropy(logits.data(), labels.data(), 3, 3, nullptr).correct, 2U);
}

TEST(SoftmaxCrossEntropy, StaysFiniteAtHugeLogits) {
  const std::vector<float> logits = {1e4F, -1e4F, 0.0F};
  std::vector<float> gradient(3);
  const std::uint32_t label = 1;
  const cpu::BatchLoss batch =
      cpu::softmax_cross_entropy(logits.data(), &label, 1, 3, gradient.data());
  EXPECT_DOUBLE_EQ(batch.loss_sum, 2e4);
  EXPECT_EQ(gradient, (std::vector<float>{1.0F, -1.0F, 0.0F}));
}

TEST(SoftmaxCrossEntropy, ANanLogitGivesANanLoss) {
  for (std::size_t where = 0; where < 3; ++where) {
    std::vector<float> logits = {1.0F, 2.0F, 3.0F};
    logits[where] = nan;
    const std::uint32_t label = 2;
    EXPECT_TRUE(
        std::isnan(cpu::softmax_cross_entropy(logits.data(), &label, 1, 3, nullptr).loss_sum));
  }
}

TEST(SoftmaxProbabilities, SumToOne) {
  const std::vector<float> logits = random_values(5 * 7, 3, 20.0F);
  std::vector<float> probabilities(5 * 7);
  cpu::softmax_probabilities(logits.data(), 5, 7, probabilities.data());
  for (std::size_t row = 0; row < 5; ++row) {
    const auto begin = probabilities.begin() + static_cast<std::ptrdiff_t>(row * 7);
    EXPECT_NEAR(std::accumulate(begin, begin + 7, 0.0), 1.0, 1e-6);
    const auto largest = std::max_element(begin, begin + 7) - begin;
    const auto logit = logits.begin() + static_cast<std::ptrdiff_t>(row * 7);
    EXPECT_EQ(largest, std::max_element(logit, logit + 7) - logit);
  }
}

// Keras' rule: the factor is that of the row's class; the gradient is still divided by the rows.
TEST(ClassWeights, ScaleTheLossAndTheGradientOfTheirRows) {
  const std::vector<float> weights = {0.5F, 3.0F, 0.0F, 1.25F};
  const std::vector<std::uint32_t> labels = {1, 0, 3, 2, 1};
  for (const std::size_t classes : {2, 4}) {
    const std::size_t outputs = classes == 2 ? 1 : classes;
    const auto loss = [&](const float* logits, const std::uint32_t* of, std::size_t rows,
                          float* gradient, const float* by) {
      return classes == 2 ? cpu::sigmoid_cross_entropy(logits, of, rows, gradient, by)
                          : cpu::softmax_cross_entropy(logits, of, rows, classes, gradient, by);
    };
    std::vector<std::uint32_t> targets = labels;
    for (std::uint32_t& target : targets) target %= static_cast<std::uint32_t>(classes);
    const std::vector<float> logits = random_values(5 * outputs, 4, 3.0F);
    std::vector<float> gradient(5 * outputs);
    const cpu::BatchLoss batch =
        loss(logits.data(), targets.data(), 5, gradient.data(), weights.data());
    double expected = 0.0;
    for (std::size_t row = 0; row < 5; ++row) {
      const double weight = weights[targets[row]];
      std::vector<float> alone(outputs);
      expected +=
          weight * loss(&logits[row * outputs], &targets[row], 1, alone.data(), nullptr).loss_sum;
      for (std::size_t o = 0; o < outputs; ++o) {
        EXPECT_NEAR(gradient[row * outputs + o], weight * alone[o] / 5.0, 1e-7) << row << ' ' << o;
      }
    }
    EXPECT_NEAR(batch.loss_sum, expected, 1e-12);
  }
}

TEST(MeanLogits, AreThoseOfEachPhotosViewsAddedInDouble) {
  // In float the small views would be lost beside the large ones.
  std::vector<float> logits = {1e8F, 1.0F, 1.0F, 2.0F, -1e8F, 3.0F, 4.0F, -6.0F};
  std::vector<float> means(4);
  cpu::mean_logits(logits.data(), 1, 4, 2, means.data());
  EXPECT_EQ(means[0], 1.25F);
  EXPECT_EQ(means[1], 0.0F);
  cpu::mean_logits(logits.data(), 2, 2, 2, logits.data());  // in place
  EXPECT_EQ(logits[1], 1.5F);
  EXPECT_EQ(logits[2], -5e7F + 2.0F);
  EXPECT_EQ(logits[3], -1.5F);
}

}  // namespace
}  // namespace graft
