// What the CPU head promises and what it refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/base/error.h"
#include "tests/kernels/head_fixture.h"
#include "tests/reference/naive_head.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

class CpuHead : public ::testing::Test {
 protected:
  static HeadOptions small_options(std::size_t classes = 2) {
    HeadOptions options;
    options.inputs = 20;
    options.hidden = {12};
    options.classes = classes;
    options.batch_size = 8;
    return options;
  }

  std::unique_ptr<Head> make(const HeadOptions& options) {
    return cpu::make_cpu_head(options, pool_, cpu::kernels_for(cpu::best_isa()));
  }

  std::unique_ptr<Head> make_with_state(const HeadOptions& options) {
    auto head = make(options);
    head->set_state(test::random_state(options, 1));
    return head;
  }

  template <typename Action>
  static void expect_usage(const Action& action, const std::string& part) {
    try {
      action();
      ADD_FAILURE() << "no error; expected one about: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }

  void expect_refused(const HeadOptions& options, const std::string& part) {
    expect_usage([&] { make(options); }, part);
  }

  cpu::ThreadPool pool_{2};
};

TEST_F(CpuHead, RefusesOptionsOutOfRange) {
  const auto refused = [&](const auto& change, const std::string& part) {
    HeadOptions options = small_options();
    change(options);
    expect_refused(options, part);
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  refused([](HeadOptions& o) { o.inputs = 0; }, "0 inputs");
  refused([](HeadOptions& o) { o.classes = 1; }, "1 class");
  refused([](HeadOptions& o) { o.batch_size = 0; }, "batch size is 0");
  refused([](HeadOptions& o) { o.hidden = {4, 0}; }, "0 units");
  refused([](HeadOptions& o) { o.hidden.assign(256, 1); }, "256 hidden layers");
  refused([](HeadOptions& o) { o.hidden = {std::size_t{1} << 60U}; }, "more weights");
  refused([](HeadOptions& o) { o.dropout = 1.0; }, "dropout rate is 1");
  refused([](HeadOptions& o) { o.dropout = -0.1; }, "dropout rate is -0.1");
  refused([&](HeadOptions& o) { o.dropout = nan; }, "dropout rate is nan");
  refused([](HeadOptions& o) { o.optimizer.type = "adam"; }, "\"adam\"");
  refused([](HeadOptions& o) { o.optimizer.learning_rate = 0.0; }, "learning rate is 0");
  refused([&](HeadOptions& o) { o.optimizer.learning_rate = nan; }, "learning rate is nan");
  refused([](HeadOptions& o) { o.optimizer.rho = 1.0; }, "rho is 1");
  refused([](HeadOptions& o) { o.optimizer.epsilon = 0.0; }, "epsilon is 0");
}

TEST_F(CpuHead, RefusesWhatTheMachineCannotHoldBeforeItTakesMemory) {
  const auto refused = [&](const HeadOptions& options) {
    try {
      make(options);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::device);
      EXPECT_THAT(error.what(), HasSubstr("The head needs"));
      EXPECT_THAT(error.what(), HasSubstr("head.hidden"));
    }
  };
  HeadOptions wide = small_options();
  wide.hidden = {std::size_t{1} << 20U, std::size_t{1} << 20U};  // of 16 TiB
  refused(wide);
  HeadOptions many_rows = small_options();
  many_rows.batch_size = std::size_t{1} << 60U;
  refused(many_rows);
}

TEST_F(CpuHead, RefusesWorkBeforeItHasParameters) {
  const auto head = make(small_options());
  const test::Samples samples = test::random_samples(4, 20, 2, 1);
  std::vector<float> probabilities(8);
  const std::vector<std::uint32_t> rows = {0};
  head->set_training_data(samples.view(), samples.labels);
  expect_usage([&] { head->state(); }, "set_state first");
  expect_usage([&] { head->train_step(rows, 0); }, "set_state first");
  expect_usage([&] { head->evaluate(samples.view(), samples.labels); }, "set_state first");
  expect_usage([&] { head->predict(samples.view(), probabilities); }, "set_state first");
}

TEST_F(CpuHead, RefusesAStateOfAnotherHead) {
  const auto head = make(small_options());
  HeadState fewer = test::random_state(small_options(), 1);
  fewer.parameters.pop_back();
  expect_usage([&] { head->set_state(fewer); }, "parameters of 1 Dense layers; this head has 2");
  HeadOptions wider = small_options();
  wider.hidden = {13};
  expect_usage([&] { head->set_state(test::random_state(wider, 1)); }, "layer 0 are 20 × 13");
  HeadState torn = test::random_state(small_options(), 1);
  torn.parameters[1].kernel.pop_back();
  expect_usage([&] { head->set_state(torn); }, "kernel of 11 values");
  HeadState squares = test::random_state(small_options(), 1);
  squares.mean_squares[0].bias.push_back(0.0F);
  expect_usage([&] { head->set_state(squares); }, "mean squares of Dense layer 0");
}

TEST_F(CpuHead, RefusesFeaturesAndLabelsThatDoNotFit) {
  const auto head = make_with_state(small_options());
  test::Samples samples = test::random_samples(4, 20, 2, 1);
  const test::Samples narrow = test::random_samples(4, 19, 2, 1);
  expect_usage([&] { head->set_training_data(narrow.view(), narrow.labels); }, "19 values");
  expect_usage([&] { head->set_training_data({nullptr, 4, 20}, samples.labels); }, "no data");
  expect_usage([&] { head->evaluate(samples.view(), std::span(samples.labels).first(3)); },
               "3 labels for 4 rows");
  samples.labels[2] = 2;
  expect_usage([&] { head->set_training_data(samples.view(), samples.labels); },
               "label of row 2 is 2");
  std::vector<float> seven(7);
  expect_usage([&] { head->predict(samples.view(), seven); }, "room for 7");
}

TEST_F(CpuHead, RefusesABatchThatDoesNotFit) {
  const auto head = make_with_state(small_options());
  const test::Samples samples = test::random_samples(10, 20, 2, 1);
  expect_usage([&] { head->train_step(test::first_rows(1), 0); }, "no training rows");
  head->set_training_data(samples.view(), samples.labels);
  expect_usage([&] { head->train_step({}, 0); }, "0 rows");
  expect_usage([&] { head->train_step(test::first_rows(9), 0); }, "9 rows; it takes 1 to 8");
  expect_usage([&] { head->train_step(std::vector<std::uint32_t>{1, 10}, 0); }, "row 10 of 10");
  expect_usage([&] { head->train_step(test::first_rows(2), 1ULL << 48U); }, "2^48");
}

TEST_F(CpuHead, ARefusedBatchChangesNothing) {
  const auto head = make_with_state(small_options());
  const test::Samples samples = test::random_samples(10, 20, 2, 1);
  head->set_training_data(samples.view(), samples.labels);
  EXPECT_THROW(head->train_step(std::vector<std::uint32_t>{1, 10}, 0), Error);
  EXPECT_TRUE(test::same_bytes(head->state(), test::random_state(small_options(), 1)));
  EXPECT_EQ(head->take_totals().count, 0U);
}

TEST_F(CpuHead, StateIsWhatWasSetAndAbsentMeanSquaresAreZero) {
  const HeadOptions options = small_options(3);
  const auto head = make(options);
  HeadState state = test::random_state(options, 6);
  state.mean_squares[0].kernel[5] = 0.25F;
  head->set_state(state);
  EXPECT_TRUE(test::same_bytes(head->state(), state));
  head->set_state({state.parameters, {}});
  state.mean_squares[0].kernel[5] = 0.0F;
  EXPECT_TRUE(test::same_bytes(head->state(), state));
}

TEST_F(CpuHead, TotalsAddUpAndStartAgain) {
  HeadOptions options = small_options();
  options.dropout = 0.0;
  const auto head = make_with_state(options);
  const test::Samples samples = test::random_samples(10, 20, 2, 1);
  head->set_training_data(samples.view(), samples.labels);
  reference::NaiveHead naive(options);
  naive.set_state(head->state());
  head->train_step(test::first_rows(8), 0);
  const Totals first = head->take_totals();
  EXPECT_EQ(first.count, 8U);
  const double expected = naive.loss({samples.features.data(), 8, 20}, samples.labels, {});
  EXPECT_NEAR(first.loss(), expected, 1e-6 * expected);
  EXPECT_EQ(head->take_totals().count, 0U);
  head->train_step(test::first_rows(8), 1);
  head->train_step(test::first_rows(2), 2);
  EXPECT_EQ(head->take_totals().count, 10U);
}

TEST_F(CpuHead, EvaluatesWithoutDropoutInBlocksOfAnySize) {
  for (const std::size_t classes : {2, 4}) {
    for (const std::size_t rows : {0, 1, 64, 65, 150, 1024, 1025, 1100}) {
      const HeadOptions options = small_options(classes);
      const auto head = make_with_state(options);
      const test::Samples samples = test::random_samples(rows, 20, classes, 3);
      const Totals totals = head->evaluate(samples.view(), samples.labels);
      EXPECT_EQ(totals.count, rows);
      if (rows == 0) continue;
      reference::NaiveHead naive(options);
      naive.set_state(head->state());
      const double expected = naive.loss(samples.view(), samples.labels, {});
      EXPECT_NEAR(totals.loss(), expected, 1e-6 * expected);
      EXPECT_EQ(head->take_totals().count, 0U);  // evaluation is not training
    }
  }
}

TEST_F(CpuHead, PredictsTheClassesThatEvaluateCounts) {
  for (const std::size_t classes : {2, 5}) {
    const HeadOptions options = small_options(classes);
    const auto head = make_with_state(options);
    const test::Samples samples = test::random_samples(100, 20, classes, 4);
    std::vector<float> probabilities(100 * classes);
    head->predict(samples.view(), probabilities);
    std::size_t correct = 0;
    for (std::size_t row = 0; row < 100; ++row) {
      const auto begin = probabilities.begin() + static_cast<std::ptrdiff_t>(row * classes);
      const auto end = begin + static_cast<std::ptrdiff_t>(classes);
      EXPECT_NEAR(std::accumulate(begin, end, 0.0), 1.0, 1e-6);
      correct +=
          static_cast<std::uint32_t>(std::max_element(begin, end) - begin) == samples.labels[row];
    }
    EXPECT_EQ(head->evaluate(samples.view(), samples.labels).correct, correct);
  }
}

TEST_F(CpuHead, LearnsWhatCanBeLearnt) {
  for (const std::size_t classes : {2, 3}) {
    HeadOptions options = small_options(classes);
    options.hidden = {16, 16};
    const auto head = make_with_state(options);
    test::Samples samples = test::random_samples(64, 20, classes, 5);
    for (std::size_t row = 0; row < 64; ++row)
      samples.features[row * 20 + samples.labels[row]] += 4.0F;
    head->set_training_data(samples.view(), samples.labels);
    const double before = head->evaluate(samples.view(), samples.labels).loss();
    for (std::uint64_t step = 0; step < 1600; ++step) {
      std::vector<std::uint32_t> rows = test::first_rows(8);
      for (std::uint32_t& row : rows) row += static_cast<std::uint32_t>(step % 8 * 8);
      head->train_step(rows, step);
    }
    const Totals after = head->evaluate(samples.view(), samples.labels);
    EXPECT_EQ(after.correct, 64U) << classes << " classes";
    EXPECT_LT(after.loss(), 0.1 * before);
  }
}

TEST_F(CpuHead, ANanFeatureShowsInTheLoss) {
  HeadOptions options = small_options();
  options.dropout = 0.0;
  const auto head = make_with_state(options);
  test::Samples samples = test::random_samples(4, 20, 2, 1);
  samples.features[25] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(head->evaluate(samples.view(), samples.labels).loss()));
}

}  // namespace
}  // namespace graft
