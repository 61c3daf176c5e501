// The CPU head's bytes: the same for any number of threads, and on AVX2 and AVX-512.

#include <gtest/gtest.h>

#include "engine/backend/cpu/cpu_head.h"
#include "tests/backend/head_samples.h"
#include "tests/support/support.h"

namespace graft {
namespace {

// Large enough that every parallel stage really is shared between threads.
HeadOptions wide_options(std::size_t classes) {
  HeadOptions options;
  options.inputs = 777;
  options.hidden = {517, 40};
  options.classes = classes;
  options.batch_size = 16;
  return options;
}

struct CpuHead {
  cpu::ThreadPool pool;
  std::unique_ptr<Head> head;
  explicit CpuHead(const HeadOptions& options, std::size_t threads = 2,
                   cpu::Isa isa = cpu::best_isa())
      : pool(threads), head(cpu::make_cpu_head(options, pool, cpu::kernels_for(isa))) {
    head->set_state(test::random_state(options, 9));
  }
  Head* operator->() const { return head.get(); }
};

struct Outcome {
  HeadState state;
  double loss_sum = 0.0;
  std::uint64_t correct = 0;
  std::vector<float> probabilities;
};

Outcome train(const HeadOptions& options, std::size_t threads, cpu::Isa isa) {
  const CpuHead head(options, threads, isa);
  const test::Samples samples = test::random_samples(150, options.inputs, options.classes, 2);
  head->set_training_data(samples.view(), samples.labels, {});
  for (std::uint64_t step = 0; step < 6; ++step) {
    std::vector<std::uint32_t> rows = test::first_rows(step % 3 == 2 ? 7 : 16);
    for (std::uint32_t& row : rows) row = static_cast<std::uint32_t>((row * 7 + step) % 150);
    test::train_step(*head.head, rows, step);
  }
  Outcome outcome;
  const Totals totals = head->take_totals();
  outcome.loss_sum = totals.loss_sum;
  outcome.correct = totals.correct;
  outcome.state = head->state();
  outcome.probabilities.resize(150 * options.classes);
  head->predict(samples.view(), outcome.probabilities);
  return outcome;
}

void expect_same(const Outcome& actual, const Outcome& expected) {
  EXPECT_TRUE(test::same_bytes(actual.state, expected.state));
  EXPECT_EQ(actual.loss_sum, expected.loss_sum);
  EXPECT_EQ(actual.correct, expected.correct);
  EXPECT_TRUE(test::same_bytes(actual.probabilities, expected.probabilities));
}

TEST(CpuHeadBytes, AreTheSameForAnyNumberOfThreads) {
  for (const cpu::Isa isa : cpu::all_isas) {
    if (!cpu::supports(isa)) continue;
    for (const std::size_t classes : {2, 3}) {
      const Outcome one = train(wide_options(classes), 1, isa);
      for (const std::size_t threads : {2, 3, 5}) {
        SCOPED_TRACE(threads);
        expect_same(train(wide_options(classes), threads, isa), one);
      }
    }
  }
}

TEST(CpuHeadBytes, AreTheSameOnAvx2AndAvx512) {
  if (!cpu::supports(cpu::Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  for (const std::size_t classes : {2, 3, 20}) {
    expect_same(train(wide_options(classes), 2, cpu::Isa::avx512),
                train(wide_options(classes), 2, cpu::Isa::avx2));
  }
}

TEST(CpuHeadBytes, PortableIsCloseToAvx2) {
  if (!cpu::supports(cpu::Isa::avx2)) GTEST_SKIP() << "this processor has no AVX2";
  const Outcome portable = train(wide_options(3), 2, cpu::Isa::portable);
  const Outcome avx2 = train(wide_options(3), 2, cpu::Isa::avx2);
  EXPECT_NEAR(portable.loss_sum, avx2.loss_sum, 1e-5 * avx2.loss_sum);
  EXPECT_TRUE(test::nearly_equal(portable.probabilities, avx2.probabilities, 1e-4));
}

TEST(CpuHeadBytes, SeedAndStepChangeThemAndNothingElseDoes) {
  HeadOptions options = wide_options(2);
  const Outcome first = train(options, 2, cpu::best_isa());
  expect_same(train(options, 2, cpu::best_isa()), first);
  options.seed = 2;
  EXPECT_FALSE(test::same_bytes(train(options, 2, cpu::best_isa()).state, first.state));
}

TEST(CpuHeadBytes, AShortBatchIsThatOfASmallerHead) {
  const test::Samples samples = test::random_samples(5, 777, 2, 8);
  HeadState states[2];
  for (const std::size_t batch_size : {16, 5}) {
    HeadOptions options = wide_options(2);
    options.batch_size = batch_size;
    const CpuHead head(options);
    head->set_training_data(samples.view(), samples.labels, {});
    test::train_step(*head.head, test::first_rows(5), 0);
    states[batch_size == 5 ? 1 : 0] = head->state();
  }
  EXPECT_TRUE(test::same_bytes(states[0], states[1]));
}

TEST(CpuHeadBytes, OfARowDoNotDependOnItsBlock) {
  const HeadOptions options = wide_options(3);
  const CpuHead head(options);
  const test::Samples samples = test::random_samples(70, options.inputs, 3, 8);
  std::vector<float> together(70 * 3);
  head->predict(samples.view(), together);
  std::vector<float> alone(70 * 3);
  for (std::size_t row = 0; row < 70; ++row) {
    head->predict({samples.view().row(row), 1, options.inputs},
                  std::span(alone).subspan(row * 3, 3));
  }
  EXPECT_TRUE(test::same_bytes(together, alone));
}

// More rows than are taken at once, cut between threads in other places each time.
TEST(CpuHeadBytes, OfALargeSetDoNotDependOnTheThreadsThatShareIt) {
  HeadOptions options = wide_options(3);
  const test::Samples samples = test::random_samples(1100, options.inputs, 3, 8);
  std::vector<float> expected;
  for (const std::size_t threads : {1, 2, 3, 7}) {
    const CpuHead head(options, threads);
    std::vector<float> probabilities(samples.labels.size() * 3);
    head->predict(samples.view(), probabilities);
    if (expected.empty()) expected = probabilities;
    EXPECT_TRUE(test::same_bytes(probabilities, expected)) << threads << " threads";
  }
}

// Training takes a batch one way through the head, evaluation of as many rows another.
TEST(CpuHeadBytes, OfALossAreTheSameInTrainingAndEvaluation) {
  for (const cpu::Isa isa : cpu::all_isas) {
    if (!cpu::supports(isa)) continue;
    for (const std::size_t rows : {16, 100}) {
      HeadOptions options = wide_options(3);
      options.dropout = 0.0;
      options.batch_size = rows;
      const CpuHead head(options, 2, isa);
      const test::Samples samples = test::random_samples(rows, options.inputs, 3, 8);
      head->set_training_data(samples.view(), samples.labels, {});
      const Totals evaluated = test::evaluate(*head.head, samples.view(), samples.labels);
      test::train_step(*head.head, test::first_rows(rows), 0);
      const Totals trained = head->take_totals();
      EXPECT_EQ(trained.loss_sum, evaluated.loss_sum) << rows << " rows";
      EXPECT_EQ(trained.correct, evaluated.correct) << rows << " rows";
    }
  }
}

}  // namespace
}  // namespace graft
