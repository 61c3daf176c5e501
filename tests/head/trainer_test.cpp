// The loop of one run without faults: the batches, the files written, the output.

#include "engine/head/trainer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "tests/support/support.h"
#include "training_support.h"

namespace graft::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::SizeIs;

// A head that computes nothing: it gives the Totals of a script, epoch by epoch, and writes the
// number of steps it has seen into every parameter, so that a saved file shows when it was saved.
struct Script {
  std::vector<Totals> training;
  std::vector<Totals> validation;
  std::vector<std::vector<std::uint32_t>> batches = {};
  std::vector<std::uint64_t> steps = {};
};

class ScriptedHead final : public Head {
 public:
  ScriptedHead(Script& script, std::size_t batch_size) : script_(script), batch_size_(batch_size) {}
  void set_state(const HeadState& state) override { state_ = state; }
  HeadState state() override {
    HeadState state = state_;
    const auto mark = static_cast<float>(script_.steps.size());
    for (DenseParameters& layer : state.parameters) {
      std::fill(layer.kernel.begin(), layer.kernel.end(), mark);
    }
    return state;
  }
  void set_training_data(FeatureView, std::span<const std::uint32_t>,
                         const Normalization&) override {}
  void begin_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step) override {
    rows_left_ = order;
    step_ = first_step;
  }
  void train_step() override {
    const auto rows = rows_left_.first(std::min(rows_left_.size(), batch_size_));
    rows_left_ = rows_left_.subspan(rows.size());
    script_.batches.emplace_back(rows.begin(), rows.end());
    script_.steps.push_back(step_++);
  }
  Totals take_totals() override { return script_.training.at(epoch_); }
  void set_validation_data(FeatureView, std::span<const std::uint32_t>) override {}
  Totals evaluate() override { return script_.validation.at(epoch_++); }
  void predict(FeatureView, std::span<float>) override { FAIL() << "training predicts nothing"; }

 private:
  Script& script_;
  const std::size_t batch_size_;
  HeadState state_;
  std::span<const std::uint32_t> rows_left_;
  std::uint64_t step_ = 0;
  std::size_t epoch_ = 0;
};

Totals totals(double loss, std::uint64_t correct_of_100) {
  return {100.0 * loss, correct_of_100, 100};
}

History play(Script& script, const std::filesystem::path& output, Observer& observer) {
  HeadBackend backend([&](const HeadOptions& options) {
    return std::make_unique<ScriptedHead>(script, options.batch_size);
  });
  Config config = small_config();
  config.features.normalize = Normalize::none;  // the script's parameters are saved as they are
  config.train.epochs = script.training.size();
  const SmallSet train = small_train();
  const SmallSet validation = small_validation();
  return train_head({backend, observer}, train.view(), validation.view(), config, {output});
}

// --- batches ------------------------------------------------------------------------------------

TEST(Trainer, EveryEpochTakesEveryRowOnceInItsOwnOrderAndKeepsTheShortLastBatch) {
  const TemporaryFolder folder;
  Script script{std::vector<Totals>(3, totals(1, 50)), std::vector<Totals>(3, totals(1, 50))};
  SilentObserver silent;
  play(script, folder.path(), silent);
  ASSERT_THAT(script.batches, SizeIs(3 * small_batches));
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::uint32_t> rows;
    for (std::size_t batch = 0; batch < small_batches; ++batch) {
      const auto& of_batch = script.batches[epoch * small_batches + batch];
      EXPECT_THAT(of_batch, SizeIs(batch + 1 < small_batches ? 4 : 2));
      rows.insert(rows.end(), of_batch.begin(), of_batch.end());
    }
    EXPECT_EQ(rows, epoch_order(22, small_config().seed, epoch));
  }
}

TEST(Trainer, StepsCountBatchesFromTheStartOfTraining) {
  const TemporaryFolder folder;
  Script script{std::vector<Totals>(3, totals(1, 50)), std::vector<Totals>(3, totals(1, 50))};
  SilentObserver silent;
  play(script, folder.path(), silent);
  std::vector<std::uint64_t> expected(3 * small_batches);
  std::iota(expected.begin(), expected.end(), 0U);
  EXPECT_EQ(script.steps, expected);
}

// --- what is written ----------------------------------------------------------------------------

TEST(Trainer, LeavesTheHeadTheBestHeadAndTheHistoryAndNothingElse) {
  EXPECT_THAT(files_of_a_full_run(),
              ElementsAre(Key("checkpoint.safetensors"), Key("head.safetensors"),
                          Key("head_best.safetensors"), Key("history.csv"), Key("history.json")));
}

TEST(Trainer, TheSameConfigAndSeedGiveTheSameBytesAndAnotherSeedGivesOthers) {
  const auto files = files_of_a_full_run();
  EXPECT_EQ(files_of_a_full_run(), files);
  Config config = small_config();
  config.seed = 6;
  const auto others = files_of_a_full_run(config);
  for (const auto& [name, bytes] : files) EXPECT_NE(others.at(name), bytes) << name;
}

TEST(Trainer, HistoryIsWhatTheHeadMeasured) {
  const TemporaryFolder folder;
  Script script{{totals(0.75, 60), totals(0.5, 80)}, {totals(0.625, 70), totals(0.25, 90)}};
  SilentObserver silent;
  const History history = play(script, folder.path(), silent);
  EXPECT_EQ(history, (History{{0.75, 0.6, 0.625, 0.7}, {0.5, 0.8, 0.25, 0.9}}));
  EXPECT_EQ(read_text_file(folder / "history.csv", 1000), history_csv(history));
  EXPECT_EQ(read_text_file(folder / "history.json", 1000), history_json(history));
}

TEST(Trainer, TheBestHeadIsThatOfTheBestEpochAndTheLastHeadThatOfTheLast) {
  const TemporaryFolder folder;
  const std::vector<Totals> validation = {totals(0.5, 60), totals(0.4, 80), totals(0.3, 80),
                                          totals(0.3, 80), totals(0.1, 70)};
  Script script{std::vector<Totals>(5, totals(1, 50)), validation};
  SilentObserver silent;
  play(script, folder.path(), silent);
  const TrainedHead best = load_head(folder / "head_best.safetensors");
  EXPECT_EQ(best.epoch, 3U);
  EXPECT_THAT(best.parameters[0].kernel, Each(3.0F * small_batches));
  const TrainedHead last = load_head(folder / "head.safetensors");
  EXPECT_EQ(last.epoch, 5U);
  EXPECT_THAT(last.parameters[0].kernel, Each(5.0F * small_batches));
  EXPECT_EQ(last.classes, small_train().classes);
  EXPECT_EQ(last.features, (FeatureShape{1, 2, 3}));
}

TEST(Trainer, TheHeadIsMadeAsTheConfigSays) {
  const TemporaryFolder folder;
  SmallRun run;
  run.config.train.epochs = 1;
  run.config.train.optimizer = {"rmsprop", 0.02, Schedule::constant, 0.8, 1e-5, false};
  run.into(folder.path());
  run.config.train.epochs = 3;
  run.config.train.optimizer.schedule = Schedule::linear;
  run.into(folder.path());
  ASSERT_THAT(run.heads, SizeIs(2));
  EXPECT_EQ(run.heads[0].steps, 0U);
  EXPECT_EQ(run.heads[1].steps, 3 * small_batches);
  const HeadOptions& options = run.heads[0];
  EXPECT_EQ(options.inputs, 6U);
  EXPECT_THAT(options.hidden, ElementsAre(8U));
  EXPECT_EQ(options.classes, 2U);
  EXPECT_EQ(options.dropout, 0.25);
  EXPECT_EQ(options.batch_size, 4U);
  EXPECT_EQ(options.seed, 5U);
  EXPECT_EQ(options.optimizer.learning_rate, 0.02);
  EXPECT_EQ(options.optimizer.rho, 0.8);
  EXPECT_EQ(options.optimizer.epsilon, 1e-5);
  EXPECT_FALSE(options.optimizer.epsilon_inside_sqrt);
}

// --- it learns ----------------------------------------------------------------------------------

void learns(const std::vector<std::size_t>& hidden, std::size_t classes) {
  const TemporaryFolder folder;
  SmallRun run;
  run.config.head.hidden = hidden;
  run.config.train.epochs = 15;
  run.config.train.optimizer.schedule = Schedule::constant;
  run.train = small_train(classes);
  run.validation = small_validation(classes);
  const History history = run.into(folder.path());
  ASSERT_THAT(history, SizeIs(15));
  EXPECT_LT(history.back().val_loss, 0.8 * history.front().val_loss);
  EXPECT_GT(history[best_epoch(history)].val_accuracy, 0.75);
  const TrainedHead head = load_head(folder / "head.safetensors");
  ASSERT_THAT(head.parameters, SizeIs(hidden.size() + 1));
  EXPECT_EQ(head.parameters.back().outputs, classes == 2 ? 1U : classes);
}

TEST(Trainer, LearnsWithAnyHiddenLayersAndClasses) {
  learns({}, 2);
  learns({256}, 2);  // the recipe's
  learns({32, 16}, 2);
  learns({16}, 3);
}

TEST(Trainer, TrainsOnOneRowAndOnBatchesLargerThanTheSet) {
  const TemporaryFolder folder;
  SmallRun run;
  run.train = SmallSet(1, 2, 1);
  run.validation = SmallSet(1, 2, 2);
  run.config.train.batch_size = 512;
  EXPECT_THAT(run.into(folder.path()), SizeIs(4));
  EXPECT_EQ(run.observer.total, 4U);
}

// --- what is shown -------------------------------------------------------------------------------

TEST(Trainer, TellsProgressInBatches) {
  const TemporaryFolder folder;
  SmallRun run;
  run.into(folder.path());
  EXPECT_THAT(run.observer.stages, ElementsAre("training"));
  EXPECT_EQ(run.observer.unit, "batches");
  EXPECT_EQ(run.observer.total, 4 * small_batches);
  std::vector<std::size_t> expected(4 * small_batches);
  std::iota(expected.begin(), expected.end(), 1U);
  EXPECT_EQ(run.observer.advances, expected);
  EXPECT_FALSE(run.observer.in_stage);
  EXPECT_FALSE(run.observer.misused);
}

TEST(Trainer, TellsARowForEachEpochUnderAHeader) {
  const TemporaryFolder folder;
  Script script{{totals(0.75, 60), totals(12.5, 80)}, {totals(0.625, 70), totals(0.25, 100)}};
  RecordingObserver observer;
  play(script, folder.path(), observer);
  EXPECT_THAT(observer.rows, ElementsAre("epoch      loss  accuracy  val_loss  val_accuracy",
                                         "    1    0.7500    0.6000    0.6250        0.7000",
                                         "    2   12.5000    0.8000    0.2500        1.0000"));
  EXPECT_THAT(observer.notes, ElementsAre(AllOf(HasSubstr("1.0000, of epoch 2"),
                                                HasSubstr("head_best.safetensors"))));
  EXPECT_THAT(observer.warnings, IsEmpty());
}

TEST(Trainer, SaysHowToUseTheBestEpochWhereTheLastIsMuchWorse) {
  const auto notes = [](std::uint64_t best, std::uint64_t last) {
    const TemporaryFolder folder;
    Script script{std::vector<Totals>(2, totals(1, 50)), {totals(1, best), totals(1, last)}};
    RecordingObserver observer;
    play(script, folder.path(), observer);
    return observer.notes;
  };
  EXPECT_THAT(notes(80, 78), ElementsAre(HasSubstr("0.8000, of epoch 1"),
                                         AllOf(HasSubstr("last epoch has 0.7800"),
                                               HasSubstr("add --best to `graft predict`"))));
  EXPECT_THAT(notes(80, 79), SizeIs(1));
  EXPECT_THAT(notes(78, 80), SizeIs(1));
}

TEST(Trainer, WarnsWhenOneClassHoldsMoreThanFourFifthsOfASet) {
  const TemporaryFolder folder;
  SmallRun run;
  run.train = SmallSet(20, 2, 1);
  run.config.train.epochs = 1;
  std::fill(run.train.labels.begin(), run.train.labels.begin() + 16, 1U);
  std::fill(run.train.labels.begin() + 16, run.train.labels.end(), 0U);
  run.into(folder.path());
  EXPECT_THAT(run.observer.warnings, IsEmpty()) << "16 of 20 are four fifths, not more";
  run.train.labels[16] = 1;
  run.into(folder.path());
  EXPECT_THAT(run.observer.warnings,
              ElementsAre(AllOf(HasSubstr("85.0 % of the training images"),
                                HasSubstr("\"class 1\""), HasSubstr("0.8500"))));
}

// --- what ends it -------------------------------------------------------------------------------

TEST(Trainer, ALossThatIsNotFiniteEndsTrainingAfterTheLastGoodEpoch) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& [training, validation] :
       {std::pair{nan, 1.0}, {infinity, 1.0}, {1.0, nan}, {1.0, infinity}}) {
    const TemporaryFolder folder;
    Script script{{totals(1, 50), totals(1, 50), totals(training, 50)},
                  {totals(1, 50), totals(1, 60), totals(validation, 50)}};
    RecordingObserver observer;
    EXPECT_THAT(
        error_of(ErrorKind::usage, [&] { play(script, folder.path(), observer); }),
        AllOf(HasSubstr("diverged in epoch 3"), HasSubstr("2 of its epochs are saved"),
              HasSubstr("learning_rate below 0.01"), HasSubstr("or features.normalize \"rms\"")));
    EXPECT_THAT(observer.rows, SizeIs(3)) << "the header and the epochs that are saved";
    EXPECT_THAT(files_in(folder.path()),
                ElementsAre(Key("checkpoint.safetensors"), Key("head_best.safetensors"),
                            Key("history.csv"), Key("history.json")));
    EXPECT_EQ(load_head(folder / "head_best.safetensors").epoch, 2U);
  }
}

TEST(Trainer, ALearningRateThatOverflowsIsCalledDivergence) {
  const TemporaryFolder folder;
  SmallRun run;
  run.config.train.optimizer.learning_rate = 1e38;
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { run.into(folder.path()); }),
              AllOf(HasSubstr("diverged in epoch 1"), HasSubstr("no epoch is saved yet")));
  EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

TEST(Trainer, AFeatureThatIsNotFiniteIsNamedByItsFile) {
  const TemporaryFolder folder;
  SmallRun run;
  run.train.values[6 * 17 + 2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of(ErrorKind::data, [&] { run.into(folder.path()); }),
              AllOf(HasSubstr("training features"), HasSubstr("class 1/17.png")));
  SmallRun other;
  other.validation.values[6 * 3] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(error_of(ErrorKind::data, [&] { other.into(folder.path()); }),
              AllOf(HasSubstr("validation features"), HasSubstr("class 1/3.png")));
}

TEST(Trainer, SetsThatDoNotFitAreRefusedBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::function<void(SmallRun&)>& spoil) {
    SmallRun run;
    spoil(run);
    std::string sentence = error_of(ErrorKind::data, [&] { run.into(folder / "output"); });
    EXPECT_FALSE(std::filesystem::exists(folder / "output"));
    return sentence;
  };
  EXPECT_THAT(refused([](SmallRun& run) { run.train = SmallSet(0, 2, 1); }),
              HasSubstr("training set has no images"));
  EXPECT_THAT(refused([](SmallRun& run) { run.validation = SmallSet(0, 2, 1); }),
              HasSubstr("validation set has no images"));
  EXPECT_THAT(refused([](SmallRun& run) { run.train = SmallSet(4, 1, 1); }),
              HasSubstr("at least two folders"));
  EXPECT_THAT(refused([](SmallRun& run) { run.train.labels[5] = 2; }), HasSubstr("class 1/5.png"));
  EXPECT_THAT(refused([](SmallRun& run) { run.validation.classes[1] = "other"; }),
              HasSubstr("different classes"));
  EXPECT_THAT(refused([](SmallRun& run) {
                run.validation.shape = {2, 1, 3};
              }),
              HasSubstr("different shapes"));
  EXPECT_THAT(refused([](SmallRun& run) { run.validation.key.settings[4].second = "torch"; }),
              HasSubstr("preprocess changed from caffe to torch"));
  EXPECT_THAT(refused([](SmallRun& run) { run.train.files.pop_back(); }),
              HasSubstr("does not fit together"));
}

TEST(Trainer, NoEpochsAndEmptyBatchesAreRefused) {
  const TemporaryFolder folder;
  SmallRun run;
  run.config.train.epochs = 0;
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { run.into(folder.path()); }),
              HasSubstr("train.epochs is 0"));
  run.config.train.epochs = 1;
  run.config.train.batch_size = 0;
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { run.into(folder.path()); }),
              HasSubstr("train.batch_size is 0"));
}

}  // namespace
}  // namespace graft::test
