// Runs that were stopped, changed or damaged, and started again.

#include <gmock/gmock.h>

#include <fstream>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/head/trainer.h"
#include "tests/features/system_calls.h"
#include "tests/support/support.h"
#include "training_support.h"

namespace graft::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::SizeIs;

// Asks `run` to stop once it has done that many batches; the sentence that it ends with.
std::string interrupt(SmallRun& run, const std::filesystem::path& output, std::size_t batches) {
  run.observer.on_advance = [&](std::size_t done) {
    if (done >= batches) run.stop.request_stop();
  };
  try {
    run.into(output);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted) << error.what();
    return error.what();
  }
  return "it was not interrupted";
}

std::string interrupt(const std::filesystem::path& output, std::size_t batches) {
  SmallRun run;
  return interrupt(run, output, batches);
}

constexpr std::size_t in_epoch_3 = 2 * small_batches + 2;

TEST(Interruption, FinishesTheBatchAndSaysWhereItWillGoOn) {
  const TemporaryFolder folder;
  SmallRun run;
  EXPECT_THAT(interrupt(run, folder.path(), in_epoch_3),
              AllOf(HasSubstr("in epoch 3 of 4"), HasSubstr("2 of its epochs are saved"),
                    HasSubstr("from the start of epoch 3")));
  EXPECT_THAT(run.observer.advances, SizeIs(in_epoch_3));
  EXPECT_THAT(files_in(folder.path()),
              ElementsAre(Key("checkpoint.safetensors"), Key("head_best.safetensors"),
                          Key("history.csv"), Key("history.json")));
}

TEST(Interruption, InTheFirstEpochSavesNothingAndSaysSo) {
  const TemporaryFolder folder;
  EXPECT_THAT(interrupt(folder.path(), 1), HasSubstr("no epoch is saved yet"));
  EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

TEST(Interruption, AfterTheLastBatchOfAnEpochStillSavesTheEpoch) {
  const TemporaryFolder folder;
  EXPECT_THAT(interrupt(folder.path(), small_batches), HasSubstr("1 of its epochs is saved"));
}

TEST(Interruption, AfterTheLastBatchOfAllIsNone) {
  const TemporaryFolder folder;
  EXPECT_EQ(interrupt(folder.path(), 4 * small_batches), "it was not interrupted");
  EXPECT_EQ(files_in(folder.path()), files_of_a_full_run());
}

TEST(Resume, AfterAnyBatchEndsWithTheBytesOfAnUninterruptedRun) {
  const auto expected = files_of_a_full_run();
  for (std::size_t batches = 1; batches < 4 * small_batches; ++batches) {
    const TemporaryFolder folder;
    interrupt(folder.path(), batches);
    SmallRun run;
    run.into(folder.path());
    EXPECT_EQ(files_in(folder.path()), expected) << "after batch " << batches;
    const std::size_t epochs_saved = batches / small_batches;
    EXPECT_EQ(run.observer.advances.front(), epochs_saved * small_batches + 1);
  }
}

TEST(Resume, ShowsTheEpochAndTheFullTotal) {
  const TemporaryFolder folder;
  interrupt(folder.path(), in_epoch_3);
  SmallRun run;
  run.into(folder.path());
  EXPECT_THAT(run.observer.notes, Contains(HasSubstr("goes on after epoch 2 of 4")));
  EXPECT_EQ(run.observer.total, 4 * small_batches);
  EXPECT_THAT(run.observer.rows, SizeIs(3));  // the header, epochs 3 and 4
}

// Interrupted in epoch 3 of 4, then started again; the notes.
std::vector<std::string> notes_of_a_restart(const Config& before, const Config& after) {
  const TemporaryFolder folder;
  SmallRun first;
  first.config = before;
  interrupt(first, folder.path(), in_epoch_3);
  SmallRun second;
  second.config = after;
  second.into(folder.path());
  EXPECT_EQ(files_in(folder.path()), files_of_a_full_run(after));
  return second.observer.notes;
}

TEST(Resume, ALinearScheduleMakesMoreEpochsANewRunAndAConstantOneDoesNot) {
  Config before = small_config();
  before.train.optimizer.schedule = Schedule::linear;
  Config after = before;
  after.train.epochs = 6;
  EXPECT_THAT(notes_of_a_restart(before, after),
              Contains(AllOf(HasSubstr("starts anew"), HasSubstr("train.epochs was 4, is 6"))));
  before.train.optimizer.schedule = after.train.optimizer.schedule = Schedule::constant;
  EXPECT_THAT(notes_of_a_restart(before, after), Contains(HasSubstr("goes on after epoch 2 of 6")));
  after.train.optimizer.schedule = Schedule::linear;
  EXPECT_THAT(notes_of_a_restart(before, after),
              Contains(HasSubstr("train.optimizer.schedule was constant, is linear")));
}

TEST(Resume, WithAnotherNumberOfEpochsEndsAsIfItHadAlwaysBeenThat) {
  constexpr std::size_t all = 4 * small_batches;
  struct Case {
    std::size_t batches_before, epochs, first_batch;  // first_batch 0: nothing to train
  };
  for (const Case& test : {Case{in_epoch_3, 7, 2 * small_batches + 1}, Case{all, 6, all + 1},
                           Case{in_epoch_3, 2, 0}, Case{in_epoch_3, 1, 1}}) {
    SCOPED_TRACE(std::to_string(test.batches_before) + " batches, then epochs " +
                 std::to_string(test.epochs));
    const TemporaryFolder folder;
    SmallRun first;
    first.config.train.optimizer.schedule = Schedule::constant;
    interrupt(first, folder.path(), test.batches_before);
    SmallRun run;
    run.config = first.config;
    run.config.train.epochs = test.epochs;
    run.into(folder.path());
    EXPECT_EQ(run.observer.advances.empty() ? 0 : run.observer.advances.front(), test.first_batch);
    EXPECT_EQ(files_in(folder.path()), files_of_a_full_run(run.config));
    if (test.epochs == 1) {
      EXPECT_THAT(run.observer.notes, Contains(HasSubstr("it has 2 epochs, train.epochs is 1")));
    }
  }
}

TEST(Resume, AFinishedRunWhoseHeadIsLostWritesItAgain) {
  const TemporaryFolder folder;
  SmallRun first;
  first.into(folder.path());
  std::filesystem::remove(folder / "head.safetensors");
  SmallRun second;
  second.into(folder.path());
  EXPECT_EQ(files_in(folder.path()), files_of_a_full_run());
}

TEST(Resume, AFinishedRunHasNothingToTrainAndKeepsItsBytes) {
  const TemporaryFolder folder;
  SmallRun first;
  first.into(folder.path());
  SmallRun second;
  second.into(folder.path());
  EXPECT_THAT(second.observer.advances, IsEmpty());
  EXPECT_THAT(second.observer.notes, Contains(HasSubstr("All 4 epochs are trained")));
  EXPECT_EQ(files_in(folder.path()), files_of_a_full_run());
}

TEST(Resume, ACheckpointThatCannotBeLookedAtIsKeptAndNamed) {
  const TemporaryFolder folder;
  const std::filesystem::path checkpoint = folder / "checkpoint.safetensors";
  std::filesystem::create_symlink(checkpoint.filename(), checkpoint);  // a loop
  SmallRun run;
  EXPECT_THAT(error_of(ErrorKind::io, [&] { run.into(folder.path()); }),
              HasSubstr(checkpoint.string()));
  EXPECT_TRUE(std::filesystem::is_symlink(checkpoint));
}

// --- a finished set in another folder ------------------------------------------------------------

// A finished run in result/, and what is done next to it.
class BesideAFinishedSet : public ::testing::Test {
 protected:
  void SetUp() override {
    SmallRun run;
    run.config.train.optimizer.schedule = Schedule::constant;
    run.into(finished_);
    before_ = files_in(finished_);
  }
  void TearDown() override { EXPECT_EQ(files_in(finished_), before_) << "it is only read"; }

  // The notes of a run in next/, which then holds what an undisturbed run leaves.
  std::vector<std::string> notes_of(SmallRun run) {
    run.config.train.optimizer.schedule = Schedule::constant;
    run.into(next_, finished_);
    EXPECT_EQ(files_in(next_), files_of_a_full_run(run.config));
    return run.observer.notes;
  }
  std::string interrupted(std::uint64_t seed, std::size_t batches) {
    SmallRun run;
    run.config.seed = seed;
    run.config.train.optimizer.schedule = Schedule::constant;
    run.observer.on_advance = [&](std::size_t done) {
      if (done >= batches) run.stop.request_stop();
    };
    return error_of(ErrorKind::interrupted, [&] { run.into(next_, finished_); });
  }

  TemporaryFolder folder_;
  const std::filesystem::path finished_ = folder_ / "result", next_ = folder_ / "next";
  std::map<std::string, std::string> before_;
};

TEST_F(BesideAFinishedSet, TheSameRunIsWrittenAgain) {
  EXPECT_THAT(notes_of({}), Contains(HasSubstr("All 4 epochs are trained")));
}

TEST_F(BesideAFinishedSet, MoreEpochsGoOnFromItsCheckpoint) {
  SmallRun run;
  run.config.train.epochs = 6;
  EXPECT_THAT(notes_of(run), Contains(AllOf(HasSubstr("goes on after epoch 4 of 6"),
                                            HasSubstr("result/checkpoint.safetensors"))));
}

TEST_F(BesideAFinishedSet, AnotherRunStartsAnewSaysWhyAndGoesOnInNext) {
  EXPECT_THAT(interrupted(6, in_epoch_3), HasSubstr("2 of its epochs are saved"));
  SmallRun run;
  run.config.seed = 6;
  EXPECT_THAT(notes_of(run), Contains(AllOf(HasSubstr("goes on after epoch 2"),
                                            HasSubstr("next/checkpoint.safetensors"))));
}

TEST_F(BesideAFinishedSet, AnUnfinishedRunStaysWhenTheFinishedOneIsAskedForAgain) {
  interrupted(6, in_epoch_3);
  const auto unfinished = files_in(next_);
  SmallRun run;
  run.config.train.optimizer.schedule = Schedule::constant;
  EXPECT_EQ(run.into(next_, finished_).size(), 4U);
  EXPECT_EQ(files_in(next_), unfinished);
  EXPECT_THAT(run.observer.notes, Contains(HasSubstr("Another run, which is not finished, stays")));
}

TEST_F(BesideAFinishedSet, NoFullDiskAtAnyCallTouchesIt) {
  bool is_full = true;
  for (std::size_t calls = 0; is_full; calls += 3) {
    std::filesystem::remove_all(next_);
    SmallRun run;
    run.config.seed = 6;
    arm_fault(Fault::no_space, calls);
    is_full = !error_of([&] { run.into(next_, finished_); }).empty();
    disarm_fault();
    ASSERT_EQ(files_in(finished_), before_) << "full after " << calls << " calls";
  }
}

// --- another run's checkpoint -------------------------------------------------------------------

struct Change {
  const char* reason;  // in the note
  std::function<void(SmallRun&)> make;
};

TEST(Resume, NoOtherRunsCheckpointIsContinued) {
  const std::vector<Change> changes = {
      {"training features", [](SmallRun& run) { run.train.fingerprint.low ^= 1U; }},
      {"validation features", [](SmallRun& run) { run.validation.fingerprint.high ^= 1U; }},
      {"classes",
       [](SmallRun& run) { run.train.classes[1] = run.validation.classes[1] = "renamed"; }},
      {"seed was 5, is 6", [](SmallRun& run) { run.config.seed = 6; }},
      {"head.hidden was [8], is [9,3]",
       [](SmallRun& run) {
         run.config.head.hidden = {9, 3};
       }},
      {"head.dropout was 0.25, is 0.5", [](SmallRun& run) { run.config.head.dropout = 0.5; }},
      {"features.normalize was rms, is standard",
       [](SmallRun& run) { run.config.features.normalize = Normalize::standard; }},
      {"train.batch_size was 4, is 5", [](SmallRun& run) { run.config.train.batch_size = 5; }},
      {"train.class_weights was none, is [2.0,1.0]",
       [](SmallRun& run) {
         run.config.train.class_weights = {ClassWeights::Kind::given, {{"class 0", 2.0}}};
       }},
      {"train.optimizer.learning_rate was 0.01, is 0.02",
       [](SmallRun& run) { run.config.train.optimizer.learning_rate = 0.02; }},
      {"train.optimizer.rho was 0.9, is 0.8",
       [](SmallRun& run) { run.config.train.optimizer.rho = 0.8; }},
      {"train.optimizer.epsilon was 1e-07, is 1e-06",
       [](SmallRun& run) { run.config.train.optimizer.epsilon = 1e-6; }},
      {"train.optimizer.epsilon_inside_sqrt was true, is false",
       [](SmallRun& run) { run.config.train.optimizer.epsilon_inside_sqrt = false; }},
  };
  for (const Change& change : changes) {
    SCOPED_TRACE(change.reason);
    const TemporaryFolder folder;
    const TemporaryFolder fresh_folder;
    interrupt(folder.path(), in_epoch_3);
    SmallRun run;
    SmallRun fresh;
    change.make(run);
    change.make(fresh);
    run.into(folder.path());
    fresh.into(fresh_folder.path());
    EXPECT_THAT(run.observer.notes,
                Contains(AllOf(HasSubstr("Training starts anew"), HasSubstr(change.reason))));
    EXPECT_EQ(files_in(folder.path()), files_in(fresh_folder.path()));
  }
}

TEST(Resume, NamesEveryPartThatDiffersAndNoOther) {
  const TemporaryFolder folder;
  interrupt(folder.path(), in_epoch_3);
  SmallRun run;
  run.config.seed = 7;
  run.config.head.dropout = 0.5;
  run.into(folder.path());
  EXPECT_THAT(run.observer.notes,
              Contains(AllOf(HasSubstr("seed was 5, is 7; head.dropout was 0.25, is 0.5."),
                             Not(HasSubstr("rho")))));
}

TEST(Resume, AnOlderRunsFilesStayUntilTheFirstEpochOfTheNewOneIsComplete) {
  const TemporaryFolder folder;
  interrupt(folder.path(), in_epoch_3);
  const auto before = files_in(folder.path());
  SmallRun other;
  other.config.seed = 6;
  interrupt(other, folder.path(), 3);
  EXPECT_EQ(files_in(folder.path()), before);
}

TEST(Resume, AFinishedRunsHeadDoesNotOutliveTheFirstEpochOfAnother) {
  const TemporaryFolder folder;
  SmallRun first;
  first.into(folder.path());
  SmallRun other;
  other.config.seed = 6;
  interrupt(other, folder.path(), in_epoch_3);
  EXPECT_THAT(files_in(folder.path()), Not(Contains(Key("head.safetensors"))));
}

// --- damage -------------------------------------------------------------------------------------

void damaged(const std::function<void(const std::filesystem::path&)>& damage, const char* reason) {
  SCOPED_TRACE(reason);
  const TemporaryFolder folder;
  interrupt(folder.path(), in_epoch_3);
  damage(folder.path());
  SmallRun run;
  run.into(folder.path());
  EXPECT_THAT(run.observer.notes,
              Contains(AllOf(HasSubstr("Training starts anew"), HasSubstr(reason))));
  EXPECT_EQ(files_in(folder.path()), files_of_a_full_run());
}

void flip_last_byte(const std::filesystem::path& path) {
  std::string bytes = read_text_file(path, 1 << 26);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(Resume, ADamagedCheckpointIsNotContinued) {
  const auto checkpoint = [](const std::filesystem::path& output) {
    return output / "checkpoint.safetensors";
  };
  damaged([&](const auto& output) { flip_last_byte(checkpoint(output)); }, "digest");
  damaged(
      [&](const auto& output) {
        std::filesystem::resize_file(checkpoint(output),
                                     std::filesystem::file_size(checkpoint(output)) - 1);
      },
      "checkpoint.safetensors");
  damaged(
      [&](const auto& output) {  // the tensors are intact
        std::string bytes = read_text_file(checkpoint(output), 1U << 24U);
        bytes.at(bytes.find('[', bytes.find("\"history\""))) = '!';
        write_file_whole(checkpoint(output), bytes);
      },
      "digest");
  damaged([&](const auto& output) { std::filesystem::resize_file(checkpoint(output), 0); },
          "checkpoint.safetensors");
  damaged([&](const auto& output) { std::ofstream(checkpoint(output)) << "no tensors in here"; },
          "checkpoint.safetensors");
  damaged(
      [&](const auto& output) {
        std::filesystem::copy_file(output / "head_best.safetensors", checkpoint(output),
                                   std::filesystem::copy_options::overwrite_existing);
      },
      "was unknown");
}

TEST(Resume, AFlippedBitAnywhereInACheckpointChangesNoResult) {
  const auto expected = files_of_a_full_run();
  const TemporaryFolder folder;
  interrupt(folder.path(), in_epoch_3);
  const std::filesystem::path checkpoint = folder / "checkpoint.safetensors";
  const std::string good = read_text_file(checkpoint, 1 << 26);
  for (std::size_t at = 0; at < good.size(); at += 5) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    std::ofstream(checkpoint, std::ios::binary) << bad;
    SmallRun run;
    run.into(folder.path());
    ASSERT_EQ(files_in(folder.path()), expected) << "byte " << at;
  }
}

TEST(Resume, WithoutItsBestHeadARunStartsAnewInsteadOfForgettingIt) {
  damaged([](const auto& output) { remove_file(output / "head_best.safetensors"); },
          "head_best.safetensors, is missing");
  damaged(
      [](const auto& output) {
        std::filesystem::resize_file(output / "head_best.safetensors", 100);
      },
      "head_best.safetensors");
  damaged(
      [](const auto& output) {
        TrainedHead head = load_head(output / "head_best.safetensors");
        head.epoch = 9;
        save_head(output / "head_best.safetensors", head);
      },
      "is of another run");
}

TEST(Resume, HistoryFilesThatWereLostAreWrittenAgain) {
  const TemporaryFolder folder;
  interrupt(folder.path(), in_epoch_3);
  const auto before = files_in(folder.path());
  remove_file(folder / "history.csv");
  std::ofstream(folder / "history.json") << "{";
  interrupt(folder.path(), in_epoch_3 + 1);
  EXPECT_EQ(files_in(folder.path()), before);
}

}  // namespace
}  // namespace graft::test
