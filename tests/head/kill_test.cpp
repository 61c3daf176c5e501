// SIGKILL at every system call of a run that changes a file, and a restart: the same bytes in the
// end, nothing torn before. tests/features/system_calls.cpp counts the calls.

#include <gmock/gmock.h>

#include "engine/base/file.h"
#include "engine/head/trainer.h"
#include "tests/features/system_calls.h"
#include "tests/support/forked.h"
#include "tests/support/support.h"
#include "training_support.h"

namespace graft::test {
namespace {

using ::testing::StartsWith;

Config config_with_seed(std::uint64_t seed) {
  Config config = small_config();
  config.seed = seed;
  return config;
}

void train(const Config& config, const std::filesystem::path& output) {
  SmallRun run;
  run.config = config;
  run.into(output);
}

// Whether `work` comes to its end in a child before SIGKILL does; any other end fails the test.
bool finishes(const std::function<void()>& work) {
  const Ending ending = in_child([&] {
    work();
    return 0;
  });
  if (ending.killed()) return false;
  EXPECT_TRUE(ending.succeeded()) << "exit code " << ending.exit_code << ", signal "
                                  << ending.signal;
  return true;
}

// Whether training finishes in a child that dies after `calls` system calls.
bool finishes_within(std::size_t calls, const Config& config, const std::filesystem::path& output) {
  return finishes([&] {
    arm_fault(Fault::kill, calls);
    train(config, output);
  });
}

// The system calls of a full run.
std::size_t calls_of_a_run() {
  const TemporaryFolder folder;
  arm_fault(Fault::none, 0);
  train(small_config(), folder.path());
  return disarm_fault();
}

// Every file under its final name is complete, and of the run whose final files are `expected`.
void expect_nothing_torn(const std::filesystem::path& output,
                         const std::map<std::string, std::string>& expected) {
  const auto files = files_in(output);
  const auto present = [&](const char* name) { return files.contains(name); };
  if (present("history.csv")) {
    EXPECT_THAT(expected.at("history.csv"), StartsWith(files.at("history.csv")));
  }
  if (present("history.json")) {
    EXPECT_NO_THROW(parse_history_json(files.at("history.json")));
  }
  if (present("head_best.safetensors")) {
    EXPECT_NO_THROW(load_head(output / "head_best.safetensors"));
  }
  if (present("head.safetensors")) {
    EXPECT_EQ(files.at("head.safetensors"), expected.at("head.safetensors"));
  }
}

TEST(Kill, BeforeAnySystemCallAndRestartEndsWithTheSameBytes) {
  const auto expected = files_of_a_full_run();
  const std::size_t calls = calls_of_a_run();
  // Four epochs write three files each, and head_best at least once, in three calls a file.
  EXPECT_GT(calls, 4U * 3 * 3 + 3);
  for (std::size_t at = 0; at < calls; ++at) {
    SCOPED_TRACE("killed after " + std::to_string(at) + " system calls");
    const TemporaryFolder folder;
    ASSERT_FALSE(finishes_within(at, small_config(), folder.path()));
    expect_nothing_torn(folder.path(), expected);
    train(small_config(), folder.path());
    ASSERT_EQ(files_in(folder.path()), expected);
  }
}

TEST(Kill, InAnyCallOfTheHeadAndRestartEndsWithTheSameBytes) {
  const auto expected = files_of_a_full_run();
  int calls = 0;
  for (;; ++calls) {
    SCOPED_TRACE("killed after " + std::to_string(calls) + " calls");
    const TemporaryFolder folder;
    const bool finished = finishes([&] {
      SmallRun run;
      int left = calls;
      run.before = [&](std::string_view) {
        if (left-- == 0) die();
      };
      run.into(folder.path());
    });
    if (finished) break;
    expect_nothing_torn(folder.path(), expected);
    SmallRun run;
    run.into(folder.path());
    ASSERT_EQ(files_in(folder.path()), expected);
    // Each epoch makes these calls and three more. Of the complete epochs, which are not trained
    // again, the last one may not be saved until the next one's state is taken.
    const std::size_t complete = static_cast<std::size_t>(calls) / (small_batches + 3);
    const bool is_taken = static_cast<std::size_t>(calls) % (small_batches + 3) > small_batches;
    const std::size_t lost = complete > 0 && !is_taken ? 1 : 0;
    EXPECT_GE(run.observer.advances.size(), (4 - complete) * small_batches);
    EXPECT_LE(run.observer.advances.size(), (4 - complete + lost) * small_batches);
  }
  EXPECT_EQ(calls, 4 * static_cast<int>(small_batches + 3));
}

TEST(Kill, OfEveryRestartStillMakesProgress) {
  const auto expected = files_of_a_full_run();
  const TemporaryFolder folder;
  int kills = 0;
  const std::size_t calls_a_life = calls_of_a_run() / 3;
  while (!finishes_within(calls_a_life, small_config(), folder.path())) {
    expect_nothing_torn(folder.path(), expected);
    ASSERT_LT(++kills, 10);
  }
  EXPECT_EQ(files_in(folder.path()), expected);
  EXPECT_GE(kills, 2);
}

// Run A is stopped half-way; run B starts in the same folder and is killed; then A or B continues.
// B's head must never pass for A's best.
TEST(Kill, OfAnotherRunInTheSameFolderMixesNothing) {
  const Config a = config_with_seed(5);
  const Config b = config_with_seed(6);
  const auto files_of_a = files_of_a_full_run(a);
  const auto files_of_b = files_of_a_full_run(b);
  const std::size_t half_way = calls_of_a_run() / 2;
  for (std::size_t calls = 0; calls < half_way; ++calls) {
    for (const bool back_to_a : {true, false}) {
      SCOPED_TRACE("B killed after " + std::to_string(calls) + " system calls");
      const TemporaryFolder folder;
      ASSERT_FALSE(finishes_within(half_way, a, folder.path()));
      ASSERT_FALSE(finishes_within(calls, b, folder.path()));
      train(back_to_a ? a : b, folder.path());
      ASSERT_EQ(files_in(folder.path()), back_to_a ? files_of_a : files_of_b);
    }
  }
}

TEST(Kill, OfARunAfterAFinishedOneMixesNothing) {
  const Config b = config_with_seed(6);
  const auto expected = files_of_a_full_run(b);
  const std::size_t half_way = calls_of_a_run() / 2;
  for (std::size_t calls = 0; calls < half_way; ++calls) {
    SCOPED_TRACE("B killed after " + std::to_string(calls) + " system calls");
    const TemporaryFolder folder;
    train(config_with_seed(5), folder.path());
    ASSERT_FALSE(finishes_within(calls, b, folder.path()));
    train(b, folder.path());
    ASSERT_EQ(files_in(folder.path()), expected);
  }
}

}  // namespace
}  // namespace graft::test
