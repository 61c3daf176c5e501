// --nvtx, and --profile where there is no GPU.

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "tests/program/nvtx_calls.h"
#include "tests/program/recipe.h"

namespace graft::test {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ProfileOption, AnInvalidRangeIsExitCode2) {
  const Recipe recipe;
  const Outcome steps = recipe.run("a", {"--profile", "steps:3"});
  EXPECT_EQ(steps.exit_code, 2);
  EXPECT_THAT(steps.error,
              HasSubstr("--profile steps:3: this is not a range of epochs or batches"));
  EXPECT_FALSE(std::filesystem::exists(recipe.output("a")));
  const Outcome epoch = graft_program(recipe.arguments("extract", "a", {"--profile", "epoch:1"}));
  EXPECT_EQ(epoch.exit_code, 2);
  EXPECT_THAT(epoch.error, HasSubstr("`graft extract` has no epochs"));
}

TEST(ProfileOption, ACpuHasNoProfiler) {
  const Recipe recipe;
  const Outcome outcome = recipe.run("a", {"--device", "cpu", "--profile", "epoch:1"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("starts and stops a GPU's profiler"));
  EXPECT_FALSE(std::filesystem::exists(recipe.output("a")));
}

#ifdef GRAFT_NVTX_INJECTION

class Nvtx : public ::testing::Test {
 protected:
  Outcome run(const std::string& name, bool with_tool, std::vector<std::string> more = {}) {
    ChildOptions options;
    options.environment["NVTX_CALLS"] = file_.string();
    if (with_tool) options.environment["NVTX_INJECTION64_PATH"] = GRAFT_NVTX_INJECTION;
    more.insert(more.end(), {"--device", "cpu"});
    return graft_program(recipe_.arguments("run", name, more), options);
  }

  const Recipe recipe_;
  const std::filesystem::path file_ = recipe_.folder() / "calls";
};

TEST_F(Nvtx, AToolSeesSpansNestedOnNamedThreads) {
  const Outcome outcome = run("a", true);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const NvtxCalls calls = read_nvtx_calls(file_);
  EXPECT_EQ(calls.fault, "");
  EXPECT_THAT(calls.domains, ElementsAre("graft"));
  std::vector<std::string> names;
  for (const auto& [thread, name] : calls.threads) names.push_back(name);
  EXPECT_THAT(names, Contains("main"));
  EXPECT_THAT(names, Contains("decoder 1"));
  EXPECT_THAT(names, Contains("writer 1"));
  for (const auto& [thread, ranges] : calls.ranges) {
    ASSERT_TRUE(calls.threads.contains(thread)) << ranges.front();
    const std::string& name = calls.threads.at(thread);
    if (name == "main") {
      EXPECT_THAT(ranges, Contains("extract/backbone/block1_conv1"));
      EXPECT_THAT(ranges, Contains("extract/backbone/block5_conv3"));
      EXPECT_THAT(ranges, Contains("train/epoch/step"));
      EXPECT_THAT(ranges, Contains("evaluate"));
    } else if (name == "decoder 1") {
      EXPECT_THAT(ranges, Each(::testing::AnyOf(StartsWith("photo"), "wait for a buffer")));
    } else if (name == "writer 1") {
      EXPECT_THAT(ranges, Contains("write"));
    }
  }
}

TEST_F(Nvtx, NothingIsCalledWithoutAToolAndTheResultsAreTheSame) {
  ASSERT_EQ(run("plain", false).exit_code, 0);
  const Outcome marked = run("marked", false, {"--nvtx"});
  ASSERT_EQ(marked.exit_code, 0) << marked.error;
  EXPECT_FALSE(std::filesystem::exists(file_));
  ASSERT_EQ(run("watched", true).exit_code, 0);
  EXPECT_TRUE(same_results(recipe_.output("marked"), recipe_.output("plain")));
  EXPECT_TRUE(same_results(recipe_.output("watched"), recipe_.output("plain")));
}

TEST_F(Nvtx, ATraceIsWrittenBesideIt) {
  const auto trace = recipe_.folder() / "trace.json";
  ASSERT_EQ(run("a", true, {"--trace", trace.string()}).exit_code, 0);
  EXPECT_THAT(all_ranges(read_nvtx_calls(file_)), Contains("extract/backbone"));
  EXPECT_THAT(text_of(trace), HasSubstr("\"name\":\"backbone\""));
}

#else

TEST(Nvtx, ABuildWithoutTheToolkitSaysSo) {
  const Recipe recipe;
  const Outcome outcome = recipe.run("a", {"--nvtx"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("built without NVTX"));
}

#endif

}  // namespace
}  // namespace graft::test
