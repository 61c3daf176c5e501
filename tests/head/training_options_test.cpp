// The options of training that a run takes from its data: schedule, class weights, views.

#include <gmock/gmock.h>

#include "engine/base/error.h"
#include "golden_values.h"
#include "tests/support/support.h"
#include "training_support.h"

namespace graft::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Linear decay, balanced class weights, "standard" features and a short last batch at once, against a
// replay in Python that shares no code with this project.
TEST(GoldenRun, IsWhatKerasDocuments) {
  for (const bool on_cpu : {true, false}) {
    SmallSet set(12, 3, 1, {1, 1, 4});
    std::ranges::copy(golden::run_features, set.values.begin());
    std::ranges::copy(golden::run_labels, set.labels.begin());
    Config config = small_config();
    config.seed = 1;
    config.features.normalize = Normalize::standard;
    config.head = {{3}, 0.0};
    config.train = {4, 5, config.train.optimizer, {ClassWeights::Kind::balanced, {}}};
    HeadBackend reference_backend([](const HeadOptions& options) {
      return std::make_unique<reference::ReferenceHead>(options);
    });
    const auto cpu_backend = make_backend("cpu", 1);
    SilentObserver silent;
    const TemporaryFolder folder;
    Backend& backend = on_cpu ? *cpu_backend : static_cast<Backend&>(reference_backend);
    const History history =
        train_head({backend, silent}, set.view(), set.view(), config, {folder.path()});
    for (std::size_t epoch = 0; epoch < 4; ++epoch) {
      EXPECT_NEAR(history.at(epoch).loss, golden::run_losses[epoch], 1e-5);
    }
    std::vector<float> parameters;
    for (const DenseParameters& dense : load_head(folder / "head.safetensors").parameters) {
      parameters.insert(parameters.end(), dense.kernel.begin(), dense.kernel.end());
      parameters.insert(parameters.end(), dense.bias.begin(), dense.bias.end());
    }
    EXPECT_TRUE(nearly_equal(parameters, golden::run_parameters, 1e-5)) << on_cpu;
  }
}

// 22 photos: 16 of class 0, 4 of class 1, 2 of class 2.
SmallRun unbalanced_run(const ClassWeights& weights) {
  SmallRun run;
  run.train = small_train(3);
  run.validation = small_validation(3);
  std::fill(run.train.labels.begin(), run.train.labels.end(), 0U);
  std::fill_n(run.train.labels.begin() + 5, 4, 1U);
  std::fill_n(run.train.labels.begin() + 13, 2, 2U);
  run.config.train.class_weights = weights;
  return run;
}

std::vector<float> weights_of(const ClassWeights& weights) {
  const TemporaryFolder folder;
  SmallRun run = unbalanced_run(weights);
  run.into(folder.path());
  return run.heads.at(0).class_weights;
}

TEST(ClassWeights, BalancedIsPhotosByClassesTimesPhotosOfTheClass) {
  EXPECT_THAT(weights_of({ClassWeights::Kind::balanced, {}}),
              ElementsAre(static_cast<float>(22.0 / (3 * 16)), static_cast<float>(22.0 / (3 * 4)),
                          static_cast<float>(22.0 / (3 * 2))));
  EXPECT_THAT(weights_of({}), IsEmpty());
}

TEST(ClassWeights, AGivenOneIsThatOfTheNamedClassAndTheOthersHaveOne) {
  EXPECT_THAT(weights_of({ClassWeights::Kind::given, {{"class 2", 0.5}, {"class 0", 7.0}}}),
              ElementsAre(7.0F, 1.0F, 0.5F));
}

TEST(ClassWeights, OfNoClassIsRefusedBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  SmallRun run = unbalanced_run({ClassWeights::Kind::given, {{"class 1", 2.0}, {"dogs", 2.0}}});
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { run.into(folder / "output"); }),
              AllOf(HasSubstr("no class \"dogs\""), HasSubstr("class 0, class 1, class 2")));
  EXPECT_FALSE(std::filesystem::exists(folder / "output"));
}

TEST(ClassWeights, CountInTheTrainingLossAndNotInTheValidationLoss) {
  const TemporaryFolder folder, other_folder;
  SmallRun weighted = unbalanced_run({ClassWeights::Kind::given, {{"class 0", 3.0}}});
  SmallRun plain = unbalanced_run({});
  for (SmallRun* run : {&weighted, &plain}) {
    std::fill(run->train.labels.begin(), run->train.labels.end(), 0U);
    run->config.train.epochs = 1;
    run->config.train.batch_size = 32;  // one step, with the first parameters
    run->config.train.optimizer.schedule = Schedule::constant;
    run->config.train.optimizer.learning_rate = 1e-12;
  }
  const Epoch with = weighted.into(folder.path())[0], without = plain.into(other_folder.path())[0];
  EXPECT_NEAR(with.loss, 3.0 * without.loss, 1e-6);
  EXPECT_NEAR(with.val_loss, without.val_loss, 1e-6);
}

SmallRun run_of_two_views() {
  SmallRun run;
  run.train.pair_rows();
  run.validation = {18, 2, 12};
  run.validation.pair_rows();
  run.config.data.views = {View::original, View::rotate180};
  return run;
}

TEST(Views, AreRowsOfTrainingAndPhotosOfValidation) {
  const TemporaryFolder folder;
  SmallRun run = run_of_two_views();
  const History history = run.into(folder.path());
  EXPECT_EQ(run.observer.total, 4 * small_batches);  // 22 rows
  EXPECT_EQ(run.heads.at(0).views, 2U);
  const TrainedHead saved = load_head(folder / "head.safetensors");
  reference::ReferenceHead head(head_options(run.config, 6, 2));
  head.set_state({saved.parameters, {}});
  const LabelledFeatures validation = run.validation.view();
  head.set_validation_data(validation.features, validation.labels);
  const Totals totals = head.evaluate();
  EXPECT_EQ(totals.count, 9U);
  EXPECT_EQ(totals.accuracy(), history.back().val_accuracy);
  EXPECT_EQ(totals.loss(), history.back().val_loss);
}

TEST(Views, OfTheFeaturesAreThoseOfTheConfig) {
  const TemporaryFolder folder;
  SmallRun run = run_of_two_views();
  run.config.data.views = {View::original};
  EXPECT_THAT(error_of(ErrorKind::data, [&] { run.into(folder.path()); }),
              AllOf(HasSubstr("have 2 x 6 values"), HasSubstr("data.views"), HasSubstr("for 1 x 6"),
                    HasSubstr("run `graft extract`")));
}

TEST(Views, OfTrainingAndValidationAreAsMany) {
  const TemporaryFolder folder;
  SmallRun run = run_of_two_views();
  run.validation = small_validation();
  EXPECT_THAT(error_of(ErrorKind::data, [&] { run.into(folder.path()); }),
              HasSubstr("different shapes"));
}

}  // namespace
}  // namespace graft::test
