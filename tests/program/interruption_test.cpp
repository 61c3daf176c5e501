// Stopped at any moment and started again, a run ends with the same bytes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "engine/base/file.h"
#include "engine/base/folder_lock.h"
#include "tests/program/recipe.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;

// Small batches and many epochs: many moments to be stopped at.
const std::vector<std::string> long_run = {"--set", "backbone.batch_size=1", "--set",
                                           "train.epochs=40"};

bool is_there(const std::filesystem::path& path) {
  return std::filesystem::exists(path);
}

// `milestone`, or what it becomes: it may be gone between two looks.
bool has_passed(const std::filesystem::path& output, const std::filesystem::path& milestone) {
  if (is_there(output / milestone)) return true;
  if (milestone.parent_path() == "next") return is_there(output / "result" / milestone.filename());
  return milestone.extension() == ".partial" && is_there((output / milestone).replace_extension());
}

// The moments at which this run's files appear, in their order.
const std::vector<std::string> milestones = {
    ".lock.exclusive",    "next/config.json",        "features/train.npy.partial",
    "features/train.npy", "features/validation.npy", "next/checkpoint.safetensors"};

TEST(Interruption, SigintSavesAndExitsWith130AndTheNextRunGoesOn) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("complete", long_run).exit_code, 0);
  for (const std::string milestone :
       {"features/train.npy.partial", "next/checkpoint.safetensors"}) {
    const std::string name = "stopped at " + std::filesystem::path(milestone).stem().string();
    Child child(recipe.arguments("run", name, long_run));
    ASSERT_TRUE(child.wait_until([&] { return has_passed(recipe.output(name), milestone); }))
        << milestone << " never appeared: " << child.wait().error;
    child.signal(SIGINT);
    const Outcome stopped = child.wait();
    EXPECT_EQ(stopped.exit_code, 130) << stopped.error;
    EXPECT_THAT(stopped.error, HasSubstr("stopping after this batch"));
    EXPECT_FALSE(is_there(recipe.result(name)));
    const Outcome resumed = recipe.run(name, long_run);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.error;
    if (milestone == "next/checkpoint.safetensors") {
      EXPECT_THAT(resumed.error, HasSubstr("goes on after epoch"));
      EXPECT_THAT(resumed.error, HasSubstr("features/train: 0 computed, 8 reused"));
    }
    EXPECT_TRUE(same_results(recipe.output(name), recipe.output("complete")));
  }
}

TEST(Interruption, SigtermAndSigxcpuAreTheSame) {
  const Recipe recipe;
  for (const int signal : {SIGTERM, SIGXCPU}) {
    const std::string name = std::to_string(signal);
    Child child(recipe.arguments("run", name, long_run));
    ASSERT_TRUE(child.wait_until(
        [&] { return has_passed(recipe.output(name), "next/checkpoint.safetensors"); }));
    child.signal(signal);
    const Outcome stopped = child.wait();
    EXPECT_EQ(stopped.exit_code, 130);
    EXPECT_EQ(stopped.error.find("(ulimit -t)") != std::string::npos, signal == SIGXCPU);
  }
}

// The program in a shell that has set `limit`.
Outcome run_with_limit(const std::string& limit, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"-c", limit + " && exec \"$0\" \"$@\"", GRAFT_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  ChildOptions options;
  options.program = "/bin/sh";
  return graft_program(words, options);
}

TEST(Limits, OnProcessorTimeInterruptAndOnTheSizeOfFilesIsExitCode6) {
  const Recipe recipe;
  const Outcome time =
      run_with_limit("ulimit -t 3", recipe.arguments("run", "a", {"--set", "train.epochs=100000"}));
  EXPECT_EQ(time.exit_code, 130) << time.error;
  EXPECT_THAT(time.error, HasSubstr("(ulimit -t)"));
  const Outcome size = run_with_limit("ulimit -f 8", recipe.arguments("run", "b"));
  EXPECT_EQ(size.exit_code, 6) << size.error;
  EXPECT_THAT(size.error, HasSubstr("(ulimit -f)"));
}

TEST(Interruption, SigkillWhenAFileAppearsLosesNothing) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("complete", long_run).exit_code, 0);
  for (const std::string& milestone : milestones) {
    const std::string name = "killed at " + std::filesystem::path(milestone).filename().string();
    {
      Child child(recipe.arguments("run", name, long_run));
      ASSERT_TRUE(child.wait_until([&] { return has_passed(recipe.output(name), milestone); }))
          << milestone << " never appeared";
      child.signal(SIGKILL);
      EXPECT_EQ(child.wait().exit_code, 128 + SIGKILL) << milestone;
    }
    const Outcome resumed = recipe.run(name, long_run);
    ASSERT_EQ(resumed.exit_code, 0) << milestone << ": " << resumed.error;
    EXPECT_TRUE(same_results(recipe.output(name), recipe.output("complete"))) << milestone;
  }
}

TEST(Interruption, SigkillAgainAndAgainLosesNothing) {
  const Recipe recipe;
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(recipe.run("complete", long_run).exit_code, 0);
  const auto complete = std::chrono::steady_clock::now() - start;
  // Each attempt gets a little longer than the one before, so that one of them ends.
  int killed = 0;
  for (int tenths = 2;; ++tenths) {
    ASSERT_LE(tenths, 100) << "no attempt ended";
    Child child(recipe.arguments("run", "a", long_run));
    const auto limit = std::chrono::steady_clock::now() + complete * tenths / 10;
    child.wait_until([&] { return std::chrono::steady_clock::now() > limit; });
    child.signal(SIGKILL);
    const Outcome outcome = child.wait();
    if (outcome.exit_code == 0) break;
    ASSERT_EQ(outcome.exit_code, 128 + SIGKILL) << outcome.error;
    ++killed;
  }
  EXPECT_GT(killed, 0);
  EXPECT_TRUE(same_results(recipe.output("a"), recipe.output("complete")));
}

TEST(Interruption, OneSignalEndsTheProgramEvenWhenAWriteIsStuck) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  ChildOptions options;
  options.reader_sleeps = true;
  Child child(recipe.arguments("evaluate", "a"), options);
  ASSERT_TRUE(child.wait_until([&] { return !child.error_so_far().empty(); }));
  child.signal(SIGINT);
  EXPECT_EQ(child.wait().exit_code, 130);
}

TEST(Lock, ASecondRunInTheSameFolderIsRefusedAndTheFirstGoesOn) {
  const Recipe recipe;
  Child first(recipe.arguments("run", "a", long_run));
  ASSERT_TRUE(first.wait_until([&] { return has_passed(recipe.output("a"), "next/config.json"); }));
  const Outcome second = recipe.run("a", {"--set", "seed=9"});
  EXPECT_EQ(second.exit_code, 6);
  EXPECT_THAT(lines_of(second.error).back(), HasSubstr(recipe.output("a").string()));
  EXPECT_EQ(first.wait().exit_code, 0);
  EXPECT_THAT(text_of(recipe.result("a") / "config.json"), HasSubstr("\"seed\": 1,"));
}

TEST(Lock, IsFreeAfterItsHolderHasGone) {
  const Recipe recipe;
  make_folder(recipe.output("a"));
  {
    const FolderLock held(recipe.output("a"));
    EXPECT_EQ(recipe.run("a").exit_code, 6);
  }
  EXPECT_EQ(recipe.run("a").exit_code, 0);
}

}  // namespace
}  // namespace graft::test
