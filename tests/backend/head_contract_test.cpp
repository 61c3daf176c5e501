// Preconditions and promises of Head, on every device of the program.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/backend/expect_error.h"
#include "tests/backend/head_device.h"
#include "tests/backend/head_samples.h"
#include "tests/reference/head.h"

namespace graft::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

HeadOptions small_options(std::size_t classes = 2) {
  HeadOptions options;
  options.inputs = 20;
  options.hidden = {12};
  options.classes = classes;
  options.batch_size = 8;
  return options;
}

class HeadContract : public HeadDeviceTest, public ::testing::WithParamInterface<NamedHeadDevice> {
 protected:
  void SetUp() override { open(GetParam()); }

  std::unique_ptr<Head> make_with_state(const HeadOptions& options) {
    auto head = make(options);
    head->set_state(random_state(options, 1));
    return head;
  }
};

INSTANTIATE_TEST_SUITE_P(EachDevice, HeadContract, ::testing::ValuesIn(head_devices()),
                         [](const auto& test) { return test.param.name; });

TEST_P(HeadContract, RefusesOptionsOutOfRange) {
  const auto refused = [&](const auto& change, const std::string& part) {
    HeadOptions options = small_options();
    change(options);
    expect_usage([&] { make(options); }, part);
  };
  refused([](HeadOptions& o) { o.inputs = 0; }, "0 inputs");
  refused([](HeadOptions& o) { o.classes = 1; }, "1 class");
  refused([](HeadOptions& o) { o.batch_size = 0; }, "batch size is 0");
  refused([](HeadOptions& o) { o.hidden = {4, 0}; }, "0 units");
  refused([](HeadOptions& o) { o.hidden.assign(256, 1); }, "256 hidden layers");
  refused([](HeadOptions& o) { o.hidden = {std::size_t{1} << 60U}; }, "more weights");
  refused([](HeadOptions& o) { o.dropout = 1.0; }, "dropout rate is 1");
  refused([](HeadOptions& o) { o.dropout = -0.1; }, "dropout rate is -0.1");
  refused([](HeadOptions& o) { o.dropout = nan; }, "dropout rate is nan");
  refused([](HeadOptions& o) { o.views = 0; }, "0 rows of features");
  refused([](HeadOptions& o) { o.views = 65; }, "1 to 64 (data.views)");
  refused([](HeadOptions& o) { o.class_weights = {1.0F}; }, "1 class weights for 2 classes");
  refused([](HeadOptions& o) { o.class_weights = {1.0F, -1.0F}; }, "class weight is -1");
  refused([](HeadOptions& o) { o.class_weights = {1.0F, NAN}; }, "class weight is nan");
  refused([](HeadOptions& o) { o.optimizer.type = "adam"; }, "\"adam\"");
  refused([](HeadOptions& o) { o.optimizer.learning_rate = 0.0; }, "learning rate is 0");
  refused([](HeadOptions& o) { o.optimizer.learning_rate = nan; }, "learning rate is nan");
  refused([](HeadOptions& o) { o.optimizer.rho = 1.0; }, "rho is 1");
  refused([](HeadOptions& o) { o.optimizer.epsilon = 0.0; }, "epsilon is 0");
}

TEST_P(HeadContract, RefusesAHeadLargerThanMemoryBeforeItTakesAny) {
  HeadOptions wide = small_options();
  wide.hidden = {std::size_t{1} << 20U, std::size_t{1} << 20U};  // of more than 10 TiB
  HeadOptions many_rows = small_options();
  many_rows.batch_size = std::size_t{1} << 60U;
  for (const HeadOptions& options : {wide, many_rows}) {
    expect_error(
        ErrorKind::device, [&] { make(options); }, "choose smaller layers (head.hidden)");
  }
}

TEST_P(HeadContract, RefusesWorkBeforeItHasParameters) {
  const auto head = make(small_options());
  const Samples samples = random_samples(4, 20, 2, 1);
  std::vector<float> probabilities(8);
  head->set_training_data(samples.view(), samples.labels, {});
  expect_usage([&] { head->state(); }, "set_state first");
  expect_usage([&] { head->train_step(); }, "set_state first");
  expect_usage([&] { evaluate(*head, samples.view(), samples.labels); }, "set_state first");
  expect_usage([&] { make_with_state(small_options())->evaluate(); }, "no validation rows");
  expect_usage([&] { head->predict(samples.view(), probabilities); }, "set_state first");
}

TEST_P(HeadContract, RefusesAStateOfAnotherHead) {
  const auto head = make(small_options());
  HeadState fewer = random_state(small_options(), 1);
  fewer.parameters.pop_back();
  expect_usage([&] { head->set_state(fewer); }, "parameters of 1 Dense layers; this head has 2");
  HeadOptions wider = small_options();
  wider.hidden = {13};
  expect_usage([&] { head->set_state(random_state(wider, 1)); }, "layer 0 are 20 × 13");
  HeadState torn = random_state(small_options(), 1);
  torn.parameters[1].kernel.pop_back();
  expect_usage([&] { head->set_state(torn); }, "kernel of 11 values");
  HeadState squares = random_state(small_options(), 1);
  squares.mean_squares[0].bias.push_back(0.0F);
  expect_usage([&] { head->set_state(squares); }, "mean squares of Dense layer 0");
}

TEST_P(HeadContract, RefusesFeaturesAndLabelsThatDoNotFit) {
  const auto head = make_with_state(small_options());
  Samples samples = random_samples(4, 20, 2, 1);
  const Samples narrow = random_samples(4, 19, 2, 1);
  expect_usage([&] { head->set_training_data(narrow.view(), narrow.labels, {}); }, "19 values");
  expect_usage([&] { head->set_training_data({nullptr, 4, 20}, samples.labels, {}); }, "no data");
  expect_usage([&] { evaluate(*head, samples.view(), std::span(samples.labels).first(3)); },
               "3 labels for 4 rows");
  samples.labels[2] = 2;
  expect_usage([&] { head->set_training_data(samples.view(), samples.labels, {}); },
               "label of image 2 is 2");
  std::vector<float> seven(7);
  expect_usage([&] { head->predict(samples.view(), seven); }, "the buffer has 7");
}

TEST_P(HeadContract, RefusesRowsThatAreNoCompletePhotos) {
  HeadOptions options = small_options();
  options.views = 3;
  const auto head = make_with_state(options);
  const Samples samples = random_samples(6, 20, 2, 1);
  expect_usage([&] { head->set_training_data(samples.view(), samples.labels, {}); },
               "6 labels for 6 rows of features; each 3 need one");
  expect_usage(
      [&] {
        evaluate(*head, {samples.features.data(), 5, 20}, samples.labels);
      },
      "5 rows of features; each image has 3");
  std::vector<float> six(6);
  expect_usage([&] { head->predict(samples.view(), six); }, "of 2 images and 2 classes need 4");
}

TEST_P(HeadContract, RefusesANormalizationOfOtherFeatures) {
  const auto head = make_with_state(small_options());
  const Samples samples = random_samples(4, 20, 2, 1);
  Normalization wrong = random_normalization(19, 1);
  const auto set = [&] { head->set_training_data(samples.view(), samples.labels, wrong); };
  expect_usage(set, "19 means and 19 scales; this head needs one of each for 20 inputs");
  wrong.mean.clear();
  expect_usage(set, "0 means and 19 scales");
}

TEST_P(HeadContract, ARefusedEpochChangesNothing) {
  const auto head = make_with_state(small_options());
  const Samples samples = random_samples(10, 20, 2, 1);
  expect_usage([&] { train_step(*head, first_rows(1), 0); }, "no training rows");
  head->set_training_data(samples.view(), samples.labels, {});
  expect_usage([&] { head->train_step(); }, "No row of an epoch is left");
  expect_usage([&] { train_step(*head, {}, 0); }, "0 rows; with 10 training rows it takes 1 to 10");
  expect_usage([&] { train_step(*head, first_rows(11), 0); }, "11 rows");
  expect_usage([&] { train_step(*head, std::vector<std::uint32_t>{1, 10}, 0); }, "row 10 of 10");
  expect_usage([&] { train_step(*head, first_rows(2), 1ULL << 48U); }, "2^48");
  expect_usage([&] { train_step(*head, first_rows(9), (1ULL << 48U) - 1); }, "2^48");
  expect_usage([&] { head->train_step(); }, "No row of an epoch is left");
  EXPECT_TRUE(same_bytes(head->state(), random_state(small_options(), 1)));
  EXPECT_EQ(head->take_totals().count, 0U);
}

TEST_P(HeadContract, StateIsWhatWasSetAndAbsentMeanSquaresAreZero) {
  const HeadOptions options = small_options(3);
  const auto head = make(options);
  HeadState state = random_state(options, 6);
  const HeadState fresh = state;
  state.mean_squares[0].kernel[5] = 0.25F;
  state.mean_squares[1].bias[2] = 0.5F;
  head->set_state(state);
  EXPECT_TRUE(same_bytes(head->state(), state));
  head->set_state({state.parameters, {}});
  EXPECT_TRUE(same_bytes(head->state(), fresh));
}

TEST_P(HeadContract, TotalsAddUpOverBatchesWeighedBySizeAndStartAgain) {
  for (const std::size_t classes : {2, 4}) {
    const HeadOptions options = small_options(classes);
    const auto head = make_with_state(options);
    reference::ReferenceHead expected(options);
    expected.set_state(head->state());
    const Samples samples = random_samples(10, 20, classes, 1);
    for (Head* each : {head.get(), static_cast<Head*>(&expected)}) {
      each->set_training_data(samples.view(), samples.labels, {});
      train_step(*each, first_rows(8), 0);
      train_step(*each, first_rows(2), 1);
      train_step(*each, first_rows(1), 2);
    }
    const Totals totals = head->take_totals();
    const Totals due = expected.take_totals();
    EXPECT_EQ(totals.count, 11U);
    EXPECT_EQ(totals.correct, due.correct);
    EXPECT_NEAR(totals.loss_sum, due.loss_sum, 1e-5 * due.loss_sum);
    EXPECT_EQ(head->take_totals().count, 0U);
    EXPECT_EQ(head->take_totals().loss_sum, 0.0);
  }
}

// The CPU takes up to 64 rows one way and blocks of 1024 another, the GPU chunks of 256.
TEST_P(HeadContract, EvaluatesAndPredictsAnyNumberOfRowsWithoutDropout) {
  for (const std::size_t classes : {2, 4}) {
    const HeadOptions options = small_options(classes);
    const auto head = make_with_state(options);
    reference::ReferenceHead expected(options);
    expected.set_state(head->state());
    for (const std::size_t rows : {0, 1, 64, 65, 255, 256, 257, 1024, 1025, 1100}) {
      const Samples samples = random_samples(rows, 20, classes, 3);
      const Totals totals = evaluate(*head, samples.view(), samples.labels);
      const Totals due = evaluate(expected, samples.view(), samples.labels);
      EXPECT_EQ(totals.count, rows);
      EXPECT_EQ(totals.correct, due.correct);
      EXPECT_NEAR(totals.loss(), due.loss(), 1e-6 * due.loss());
      std::vector<float> probabilities(rows * classes), of_reference(rows * classes);
      head->predict(samples.view(), probabilities);
      expected.predict(samples.view(), of_reference);
      EXPECT_TRUE(nearly_equal(probabilities, of_reference, 1e-6)) << rows << " rows";
    }
    EXPECT_EQ(head->take_totals().count, 0U);  // evaluation is not training
  }
}

// A photo's views follow each other. More rows than the CPU and the GPU take at once, which are no
// multiple of 3 views.
TEST_P(HeadContract, JudgesAPhotoByTheMeanOfItsViewsLogits) {
  for (const std::size_t classes : {2, 4}) {
    for (const std::size_t views : {2, 3, 4}) {
      HeadOptions options = small_options(classes);
      options.views = views;
      options.class_weights.assign(classes, 2.0F);  // of no influence
      const auto head = make_with_state(options);
      reference::ReferenceHead expected(options);
      expected.set_state(head->state());
      for (const std::size_t photos : {0, 1, 16, 33, 86, 400}) {
        const Samples samples = random_samples(photos * views, 20, classes, 3);
        const auto labels = std::span(samples.labels).first(photos);
        const Totals totals = evaluate(*head, samples.view(), labels);
        const Totals due = evaluate(expected, samples.view(), labels);
        EXPECT_EQ(totals.count, photos);
        EXPECT_EQ(totals.correct, due.correct);
        EXPECT_NEAR(totals.loss(), due.loss(), 1e-6 * due.loss());
        std::vector<float> probabilities(photos * classes), of_reference(photos * classes);
        head->predict(samples.view(), probabilities);
        expected.predict(samples.view(), of_reference);
        EXPECT_TRUE(nearly_equal(probabilities, of_reference, 1e-6)) << photos << " photos";
      }
    }
  }
}

TEST_P(HeadContract, TrainsOnEachViewWithThePhotosLabel) {
  HeadOptions options = small_options(3);
  options.class_weights = {0.5F, 2.0F, 1.5F};
  const Samples samples = random_samples(24, 20, 3, 2);
  const std::vector<std::uint32_t> labels = {2, 0, 1, 1, 2, 0, 0, 1};
  std::vector<std::uint32_t> of_rows;
  for (std::size_t row = 0; row < 24; ++row) of_rows.push_back(labels[row / 3]);
  const auto trained = [&](std::size_t views, const std::vector<std::uint32_t>& targets) {
    options.views = views;
    const auto head = make_with_state(options);
    head->set_training_data(samples.view(), targets, {});
    std::uint64_t step = 0;
    for (const auto& rows : shuffled_batches(24, 8, 1)) train_step(*head, rows, step++);
    return head->state();
  };
  EXPECT_TRUE(same_bytes(trained(3, labels), trained(1, of_rows)));
}

TEST_P(HeadContract, PredictsTheClassesThatEvaluateCounts) {
  for (const std::size_t classes : {2, 5}) {
    const HeadOptions options = small_options(classes);
    const auto head = make_with_state(options);
    const Samples samples = random_samples(100, 20, classes, 4);
    std::vector<float> probabilities(100 * classes);
    head->predict(samples.view(), probabilities);
    std::size_t correct = 0;
    for (std::size_t row = 0; row < 100; ++row) {
      const std::span of_row = std::span(probabilities).subspan(row * classes, classes);
      EXPECT_NEAR(std::accumulate(of_row.begin(), of_row.end(), 0.0), 1.0, 1e-6);
      const auto predicted = std::ranges::max_element(of_row) - of_row.begin();
      correct += static_cast<std::uint32_t>(predicted) == samples.labels[row] ? 1 : 0;
    }
    EXPECT_EQ(evaluate(*head, samples.view(), samples.labels).correct, correct);
  }
}

TEST_P(HeadContract, EvaluatesTheRowsThatWereSetLast) {
  const auto head = make_with_state(small_options());
  Samples samples = random_samples(9, 20, 2, 3);
  const double before = evaluate(*head, samples.view(), samples.labels).loss();
  EXPECT_EQ(head->evaluate().loss(), before);
  for (float& value : samples.features) value = -value;
  EXPECT_NE(evaluate(*head, samples.view(), samples.labels).loss(), before);
  EXPECT_EQ(evaluate(*head, {nullptr, 0, 20}, {}).count, 0U);
}

// An epoch of batches of 8, 8, 8 and 3: as a whole, a step at a time, and from the third step on.
TEST_P(HeadContract, AnEpochIsItsStepsWhereverItBegins) {
  HeadOptions options = small_options(3);
  options.steps = 20;
  const Samples samples = random_samples(27, 20, 3, 2);
  const auto batches = shuffled_batches(27, 8, 1);
  const auto order = shuffled_rows(27, 1);
  const auto trained = [&](std::size_t alone) {
    const auto head = make_with_state(options);
    head->set_training_data(samples.view(), samples.labels, {});
    std::uint64_t step = 5;
    for (std::size_t i = 0; i < alone; ++i) train_step(*head, batches[i], step++);
    if (alone < 4) {
      head->begin_epoch(std::span(order).subspan(8 * alone), step);
      for (std::size_t i = alone; i < 4; ++i) {
        head->train_step();
        evaluate(*head, samples.view(), samples.labels);
      }
    }
    expect_usage([&] { head->train_step(); }, "No row of an epoch is left");
    return std::pair(head->state(), head->take_totals());
  };
  const auto [state, totals] = trained(0);
  EXPECT_EQ(totals.count, 27U);
  for (const std::size_t alone : {2, 4}) {
    const auto [same_state, same_totals] = trained(alone);
    EXPECT_TRUE(same_bytes(same_state, state)) << alone;
    EXPECT_EQ(same_totals.loss_sum, totals.loss_sum);
    EXPECT_EQ(same_totals.correct, totals.correct);
  }
}

// The end of an epoch that was cut off is not trained on: neither with new rows nor in a new epoch.
TEST_P(HeadContract, ANewEpochOrNewRowsEndTheEpoch) {
  const auto head = make_with_state(small_options());
  const Samples samples = random_samples(20, 20, 2, 1);
  head->set_training_data(samples.view(), samples.labels, {});
  const std::vector<std::uint32_t> order = first_rows(20);
  head->begin_epoch(order, 0);
  head->train_step();
  train_step(*head, first_rows(4), 9);
  expect_usage([&] { head->train_step(); }, "No row of an epoch is left");
  EXPECT_EQ(head->take_totals().count, 12U);
  head->begin_epoch(order, 0);
  head->set_training_data(samples.view(), samples.labels, {});
  expect_usage([&] { head->train_step(); }, "No row of an epoch is left");
}

TEST_P(HeadContract, EvaluationBetweenStepsAndResumingFromAStateChangeNoByte) {
  const HeadOptions options = small_options();
  const Samples samples = random_samples(24, 20, 2, 2);
  const Samples others = random_samples(300, 20, 2, 9);
  const auto trained = [&](bool judged, bool resume) {
    auto head = make_with_state(options);
    head->set_training_data(samples.view(), samples.labels, {});
    std::uint64_t step = 0;
    for (const auto& rows : shuffled_batches(24, 8, 1)) {
      train_step(*head, rows, step++);
      if (judged) evaluate(*head, others.view(), others.labels);
      if (!resume) continue;
      const HeadState state = head->state();
      head = make(options);
      head->set_state(state);
      head->set_training_data(samples.view(), samples.labels, {});
    }
    return head->state();
  };
  const HeadState plain = trained(false, false);
  EXPECT_TRUE(same_bytes(trained(true, false), plain));
  EXPECT_TRUE(same_bytes(trained(false, true), plain));
}

// The same bytes as from rows that were normalised before: (value - mean) · scale in float. The head
// keeps its own copy of the normalisation.
TEST_P(HeadContract, NormalizesTheRowsThatItTrainsOnAndNoOthers) {
  for (const std::size_t columns : {1, 15, 16, 17, 20, 256, 1030}) {
    HeadOptions options = small_options();
    options.inputs = columns;
    const Samples samples = random_samples(24, columns, 2, 2);
    const auto normalization = random_normalization(columns, 3);
    Samples normalized = samples;
    for (std::size_t i = 0; i < normalized.features.size(); ++i) {
      const float value = normalized.features[i] - normalization.mean[i % columns];
      normalized.features[i] = value * normalization.scale[i % columns];
    }
    const auto trained = [&](const Samples& on, Normalization by) {
      const auto head = make_with_state(options);
      head->set_training_data(on.view(), on.labels, by);
      std::ranges::fill(by.mean, 9.0F);
      std::ranges::fill(by.scale, 9.0F);
      std::uint64_t step = 0;
      for (const auto& rows : shuffled_batches(24, 8, 1)) {
        train_step(*head, rows, step++);
        evaluate(*head, samples.view(), samples.labels);
      }
      return std::pair(head->state(), evaluate(*head, samples.view(), samples.labels).loss_sum);
    };
    const auto expected = trained(normalized, {});
    const auto actual = trained(samples, normalization);
    EXPECT_TRUE(same_bytes(actual.first, expected.first)) << columns << " columns";
    EXPECT_EQ(actual.second, expected.second);
  }
}

TEST_P(HeadContract, ALinearScheduleEndsWithAStepOfNothing) {
  HeadOptions options = small_options();
  options.steps = 4;
  const auto head = make_with_state(options);
  const Samples samples = random_samples(8, 20, 2, 1);
  head->set_training_data(samples.view(), samples.labels, {});
  const std::vector<DenseParameters> before = head->state().parameters;
  for (const std::uint64_t step : {4, 5, 1000}) {
    train_step(*head, first_rows(8), step);
    EXPECT_TRUE(same_bytes(head->state().parameters, before)) << step;
  }
  train_step(*head, first_rows(8), 3);
  EXPECT_FALSE(same_bytes(head->state().parameters, before));
}

TEST_P(HeadContract, LearnsSeparableClasses) {
  for (const std::size_t classes : {2, 3}) {
    HeadOptions options = small_options(classes);
    options.hidden = {16, 16};
    options.optimizer.learning_rate = 2e-3;
    const auto head = make_with_state(options);
    Samples samples = random_samples(64, 20, classes, 5);
    for (std::size_t row = 0; row < 64; ++row) {
      samples.features[row * 20 + samples.labels[row]] += 4.0F;
    }
    head->set_training_data(samples.view(), samples.labels, {});
    const double before = evaluate(*head, samples.view(), samples.labels).loss();
    for (std::uint64_t step = 0; step < 600; ++step) {
      std::vector<std::uint32_t> rows = first_rows(8);
      for (std::uint32_t& row : rows) row += static_cast<std::uint32_t>(step % 8 * 8);
      train_step(*head, rows, step);
    }
    const Totals after = evaluate(*head, samples.view(), samples.labels);
    EXPECT_EQ(after.correct, 64U) << classes << " classes";
    EXPECT_LT(after.loss(), 0.1 * before);
  }
}

// More tensors than one launch of the GPU's RMSprop takes.
TEST_P(HeadContract, ADeepHeadTrainsAsTheReference) {
  HeadOptions options = small_options();
  options.hidden.assign(40, 6);
  options.dropout = 0.0;
  const Samples samples = random_samples(8, 20, 2, 1);
  const auto squares_of = [&](Head& head) {
    HeadState state = random_state(options, 1);
    for (DenseParameters& layer : state.parameters) std::ranges::fill(layer.bias, 0.1F);
    head.set_state(state);
    head.set_training_data(samples.view(), samples.labels, {});
    train_step(head, first_rows(8), 0);
    return head.state().mean_squares;
  };
  reference::ReferenceHead reference(options);
  const auto expected = squares_of(reference);
  const auto actual = squares_of(*make(options));
  for (std::size_t layer = 0; layer < 41; ++layer) {
    EXPECT_TRUE(nearly_equal(actual[layer].kernel, expected[layer].kernel, 1e-4)) << layer;
    EXPECT_NE(actual[layer].bias, std::vector<float>(actual[layer].bias.size())) << layer;
  }
}

TEST_P(HeadContract, ANanFeatureMakesTheLossNan) {
  const auto head = make_with_state(small_options());
  Samples samples = random_samples(4, 20, 2, 1);
  samples.features[25] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(evaluate(*head, samples.view(), samples.labels).loss()));
}

}  // namespace
}  // namespace graft::test
