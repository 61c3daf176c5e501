// sigmoid_cross_entropy and softmax_cross_entropy against the CPU's plain loops in double.

#include "kernels/cpu/cross_entropy.h"
#include "kernels/cuda/cross_entropy.h"
#include "tests/kernels_cuda/cuda_test.h"

namespace graft {
namespace {

using test::DeviceArray;
using test::nearly_equal;
using test::random_numbers;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

std::vector<std::uint32_t> random_labels(std::size_t rows, std::size_t classes) {
  std::mt19937 generator(5);
  std::vector<std::uint32_t> labels(rows);
  for (std::uint32_t& label : labels) label = static_cast<std::uint32_t>(generator() % classes);
  return labels;
}

// Totals that begin above zero: a batch is added to them.
constexpr cuda::LossTotals before = {2.5, 7};

void expect_added(const DeviceArray<cuda::LossTotals>& totals, const cpu::BatchLoss& batch) {
  const cuda::LossTotals sums = totals.host().front();
  if (std::isfinite(batch.loss_sum)) {
    ASSERT_NEAR(sums.loss_sum, before.loss_sum + batch.loss_sum, 1e-12 * (1.0 + batch.loss_sum));
  } else {
    ASSERT_EQ(std::isnan(sums.loss_sum), std::isnan(batch.loss_sum));
    ASSERT_EQ(std::isinf(sums.loss_sum), std::isinf(batch.loss_sum));
  }
  ASSERT_EQ(sums.correct, before.correct + batch.correct);
}

std::vector<float> class_weights_of(std::size_t classes) {
  std::vector<float> weights = random_numbers(classes, 7);
  for (float& weight : weights) weight = std::abs(weight);
  return weights;
}

// Of the classes; none: null.
class Weights {
 public:
  explicit Weights(const std::vector<float>& values) : values_(values), device_(values) {}
  const float* on_host() const { return values_.empty() ? nullptr : values_.data(); }
  const float* on_device() const { return values_.empty() ? nullptr : device_.get(); }

 private:
  std::vector<float> values_;
  DeviceArray<float> device_;
};

class CudaSigmoidCrossEntropy : public test::CudaTest {
 protected:
  static void expect_reference(const std::vector<float>& logits,
                               const std::vector<std::uint32_t>& labels, std::size_t offset,
                               const std::vector<float>& class_weights = {}) {
    const std::size_t rows = logits.size();
    std::vector<float> expected(rows);
    const Weights weights(class_weights);
    const cpu::BatchLoss batch = cpu::sigmoid_cross_entropy(logits.data(), labels.data(), rows,
                                                            expected.data(), weights.on_host());
    const DeviceArray<float> from(logits, offset), gradient(rows, offset);
    const DeviceArray<std::uint32_t> targets(labels, offset);
    const DeviceArray<cuda::LossTotals> totals(std::vector{before}), again(std::vector{before});
    cuda::sigmoid_cross_entropy(from.get(), targets.get(), rows, weights.on_device(),
                                gradient.get(), totals.get(), nullptr);
    ASSERT_TRUE(nearly_equal(gradient.host(), expected, 1e-7)) << rows << " rows";
    ASSERT_TRUE(gradient.guards_intact());
    expect_added(totals, batch);
    cuda::sigmoid_cross_entropy(from.get(), targets.get(), rows, weights.on_device(), nullptr,
                                again.get(), nullptr);
    expect_added(again, batch);

    std::vector<float> expected_probabilities(2 * rows);
    cpu::sigmoid_probabilities(logits.data(), rows, expected_probabilities.data());
    const DeviceArray<float> probabilities(2 * rows, offset);
    cuda::sigmoid_probabilities(from.get(), rows, probabilities.get(), nullptr);
    ASSERT_TRUE(nearly_equal(probabilities.host(), expected_probabilities, 1e-7));
    ASSERT_TRUE(probabilities.guards_intact());
  }
};

TEST_F(CudaSigmoidCrossEntropy, EqualsItsReferenceForEveryBatchSize) {
  for (const std::size_t rows : {0, 1, 2, 3, 16, 31, 32, 33, 255, 256, 257, 600}) {
    expect_reference(random_numbers(rows, 1, 5.0F), random_labels(rows, 2), rows % 3);
    expect_reference(random_numbers(rows, 1, 5.0F), random_labels(rows, 2), 0, {0.7F, 2.5F});
  }
}

TEST_F(CudaSigmoidCrossEntropy, HoldsAtTheEnds) {
  const std::vector<float> logits = {0.0F,  -0.0F,  100.0F, -100.0F, 800.0F, -800.0F,
                                     3e38F, -3e38F, 1e-30F, -1e-30F, 20.0F,  -20.0F};
  for (const float logit : logits) {
    for (const std::uint32_t label : {0U, 1U}) expect_reference({logit}, {label}, 0);
  }
}

TEST_F(CudaSigmoidCrossEntropy, NanAndInfinityShow) {
  expect_reference({1.0F, nan, -1.0F}, {1, 0, 1}, 0);
  expect_reference({1.0F, infinity}, {1, 0}, 0);
  expect_reference({-infinity, -2.0F}, {1, 0}, 0);
}

class CudaSoftmaxCrossEntropy : public test::CudaTest {
 protected:
  static void expect_reference(const std::vector<float>& logits,
                               const std::vector<std::uint32_t>& labels, std::size_t classes,
                               std::size_t offset, const std::vector<float>& class_weights = {}) {
    const std::size_t rows = labels.size();
    std::vector<float> expected(rows * classes);
    const Weights weights(class_weights);
    const cpu::BatchLoss batch = cpu::softmax_cross_entropy(
        logits.data(), labels.data(), rows, classes, expected.data(), weights.on_host());
    const DeviceArray<float> from(logits, offset), gradient(rows * classes, offset);
    const DeviceArray<std::uint32_t> targets(labels, offset);
    const DeviceArray<cuda::LossTotals> row_losses(rows);
    const DeviceArray<cuda::LossTotals> totals(std::vector{before}), again(std::vector{before});
    cuda::softmax_cross_entropy(from.get(), targets.get(), rows, classes, weights.on_device(),
                                gradient.get(), row_losses.get(), totals.get(), nullptr);
    ASSERT_TRUE(nearly_equal(gradient.host(), expected, 1e-7)) << rows << " × " << classes;
    ASSERT_TRUE(gradient.guards_intact());
    expect_added(totals, batch);
    cuda::softmax_cross_entropy(from.get(), targets.get(), rows, classes, weights.on_device(),
                                nullptr, row_losses.get(), again.get(), nullptr);
    expect_added(again, batch);

    std::vector<float> expected_probabilities(rows * classes);
    cpu::softmax_probabilities(logits.data(), rows, classes, expected_probabilities.data());
    const DeviceArray<float> probabilities(rows * classes, offset);
    cuda::softmax_probabilities(from.get(), rows, classes, probabilities.get(), nullptr);
    ASSERT_TRUE(nearly_equal(probabilities.host(), expected_probabilities, 1e-7));
    ASSERT_TRUE(probabilities.guards_intact());
  }
};

TEST_F(CudaSoftmaxCrossEntropy, EqualsItsReferenceForEveryShape) {
  for (const std::size_t classes : {1, 2, 3, 5, 31, 32, 33, 64, 65, 100}) {
    for (const std::size_t rows : {0, 1, 3, 4, 5, 9}) {
      expect_reference(random_numbers(rows * classes, 2, 6.0F), random_labels(rows, classes),
                       classes, classes % 3);
      expect_reference(random_numbers(rows * classes, 2, 6.0F), random_labels(rows, classes),
                       classes, 0, class_weights_of(classes));
    }
  }
  expect_reference(random_numbers(300 * 3, 3, 6.0F), random_labels(300, 3), 3, 0);
}

TEST_F(CudaSoftmaxCrossEntropy, OfEqualOnesTheFirstCounts) {
  std::vector<float> logits(70, -1.0F);
  logits[40] = 2.0F;
  logits[9] = 2.0F;
  expect_reference(logits, {9}, 70, 0);
  expect_reference(logits, {40}, 70, 0);
  expect_reference(std::vector<float>(70, 0.0F), {0}, 70, 0);
}

TEST_F(CudaSoftmaxCrossEntropy, HoldsAtTheEnds) {
  expect_reference({1000.0F, -1000.0F, 0.0F}, {0}, 3, 0);
  expect_reference({1000.0F, -1000.0F, 0.0F}, {1}, 3, 0);
  expect_reference({3e38F, -3e38F, 3e38F}, {2}, 3, 0);
}

TEST_F(CudaSoftmaxCrossEntropy, NanAndInfinityShow) {
  expect_reference({1.0F, nan, 2.0F}, {0}, 3, 0);
  expect_reference({nan, 1.0F, 2.0F}, {2}, 3, 0);
  expect_reference({infinity, 1.0F, 2.0F}, {0}, 3, 0);
  expect_reference({-infinity, 1.0F, 2.0F}, {0}, 3, 0);
  expect_reference({-infinity, -infinity}, {0}, 2, 0);
}

class CudaMeanLogits : public test::CudaTest {};

TEST_F(CudaMeanLogits, EqualsItsReferenceToTheBit) {
  for (const std::size_t views : {1, 2, 3, 4}) {
    for (const std::size_t outputs : {1, 3, 70}) {
      for (const std::size_t photos : {0, 1, 2, 5, 255, 257}) {
        const std::vector<float> logits =
            test::odd_numbers(photos * views * outputs, static_cast<std::uint32_t>(views));
        std::vector<float> expected(photos * outputs);
        cpu::mean_logits(logits.data(), photos, views, outputs, expected.data());
        const DeviceArray<float> from(logits, photos % 3), means(photos * outputs, outputs % 4);
        cuda::mean_logits(from.get(), photos, views, outputs, means.get(), nullptr);
        ASSERT_TRUE(nearly_equal(means.host(), expected, 0.0))
            << photos << " photos, " << views << " views, " << outputs << " outputs";
        ASSERT_TRUE(means.guards_intact());
      }
    }
  }
}

}  // namespace
}  // namespace graft
