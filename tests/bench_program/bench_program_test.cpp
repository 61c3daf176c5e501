// graft-bench as a child process on the CPU, at sizes that take no time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/base/file.h"
#include "tests/program/child.h"

namespace graft::test {
namespace {

using Json = nlohmann::json;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class GraftBench : public ::testing::Test {
 protected:
  // A case takes about a tenth of a second. `more` replaces options of the same name.
  static std::vector<std::string> quick(const std::string& suite,
                                        const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {
        suite, "--device", "cpu",       "--threads", "1",         "--batch", "2",       "--size",
        "32",  "-q",       "--samples", "3",         "--seconds", ".05",     "--noise", "1"};
    for (const std::string& word : more) {
      const auto replaced = std::ranges::find(arguments, word);
      if (word.starts_with("--") && replaced != arguments.end())
        arguments.erase(replaced, replaced + 2);
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  Json result() const {
    return Json::parse(read_text_file(file("result.json"), std::uint64_t{1} << 30));
  }

  // Measures with --json, and reads the file.
  Json measured(const std::string& suite, std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--json", file("result.json")});
    const Outcome outcome = graft_program(quick(suite, more));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    EXPECT_THAT(outcome.out, HasSubstr(suite));
    return result();
  }
  static std::vector<std::string> listed(const std::string& suite,
                                         const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = quick(suite, more);
    arguments.emplace_back("--list");
    const Outcome outcome = graft_program(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    return lines_of(outcome.out);
  }
  static void expect_refusal(const std::vector<std::string>& arguments, int code,
                             const std::string& part) {
    const Outcome outcome = graft_program(arguments);
    SCOPED_TRACE(::testing::PrintToString(arguments));
    EXPECT_EQ(outcome.exit_code, code);
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.error, StartsWith("graft-bench: "));
    EXPECT_THAT(outcome.error, HasSubstr(part));
    EXPECT_EQ(lines_of(outcome.error).size(), 1U) << outcome.error;
  }

  const TemporaryFolder folder_;
};

std::vector<std::string> names_of(const Json& result) {
  std::vector<std::string> names;
  for (const Json& one : result.at("measurements")) names.push_back(one.at("name"));
  return names;
}

void expect_measured(const Json& result) {
  EXPECT_EQ(result.at("complete"), true);
  EXPECT_EQ(result.at("has_timer"), true);
  EXPECT_GT(result.at("ceilings").at("bytes_per_second"), 0.0);
  for (const Json& one : result.at("measurements")) {
    SCOPED_TRACE(one.at("name"));
    EXPECT_THAT(one.at("ended"), ::testing::AnyOf(Json("settled"), Json("time_cap")));
    EXPECT_FALSE(one.at("samples").empty()) << one.at("failure");
    for (const double sample : one.at("samples")) EXPECT_GT(sample, 0.0);
  }
}

TEST_F(GraftBench, ListNamesEveryCaseOnceAndMeasuresNothing) {
  const std::vector<std::string> all = listed("all");
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  std::size_t in_suites = 0;
  for (const std::string suite : {"kernels", "layers", "backbone", "head", "pipeline"}) {
    const std::vector<std::string> names = listed(suite);
    EXPECT_THAT(names, Each(StartsWith(suite + "/")));
    in_suites += names.size();
  }
  EXPECT_EQ(all.size(), in_suites);
  for (const char* name :
       {"kernels/gemm/depth:128", "layers/block1_conv1/direct/fp32/size:32/batch:2",
        "layers/block5_conv3/winograd/fp32/size:32/batch:2", "backbone/vgg16/fp32/size:32/batch:2",
        "head/train_step/inputs:512/hidden:256/batch:2",
        "pipeline/photos_to_features/fp32/size:32/batch:2", "pipeline/decode",
        "pipeline/fast_decode/size:32", "pipeline/resize/filter:lanczos/size:32"})
    EXPECT_THAT(all, Contains(name));
  EXPECT_THAT(all, Not(Contains(StartsWith("layers/block1_conv1/winograd"))));
}

TEST_F(GraftBench, LayersAreThirteenByTwoAlgorithmsButTheFirst) {
  EXPECT_EQ(listed("layers").size(), 25U);
  EXPECT_EQ(listed("layers", {"--filter", "^layers/block3.*direct"}).size(), 3U);
}

TEST_F(GraftBench, TheBackboneIsMeasuredWithFewerThreadsToo) {
  EXPECT_EQ(listed("backbone", {"--threads", "4", "--batch", "1,2"}),
            (std::vector<std::string>{"backbone/vgg16/fp32/size:32/batch:1",
                                      "backbone/vgg16/fp32/size:32/batch:2",
                                      "backbone/vgg16/fp32/size:32/batch:2/threads:1",
                                      "backbone/vgg16/fp32/size:32/batch:2/threads:2"}));
  const Json result = measured("backbone", {"--threads", "2", "--filter", "threads:1"});
  EXPECT_EQ(result.at("measurements").size(), 1U);
  expect_measured(result);
}

TEST_F(GraftBench, EveryKernelRuns) {
  const std::vector<std::string> all = listed("kernels");
  const Json result = measured("kernels", {"--hot", "--samples", "1", "--seconds", "0.001"});
  EXPECT_EQ(names_of(result), all);
  expect_measured(result);
  for (const Json& one : result.at("measurements")) EXPECT_GT(one.at("cost").at("bytes"), 0.0);
}

TEST_F(GraftBench, LayersRunByEitherAlgorithm) {
  const Json result = measured("layers", {"--filter", "block1_conv|block5_conv3"});
  EXPECT_EQ(result.at("measurements").size(), 5U);
  expect_measured(result);
  EXPECT_GT(result.at("measurements")[0].at("cost").at("flop"), 0.0);
}

TEST_F(GraftBench, TheBackboneAndTheHeadCountImagesStepsAndRows) {
  const Json backbone = measured("backbone");
  ASSERT_EQ(backbone.at("measurements").size(), 1U);
  EXPECT_EQ(backbone.at("measurements")[0].at("item"), "images");
  EXPECT_EQ(backbone.at("measurements")[0].at("items"), 2.0);
  expect_measured(backbone);
  const Json head = measured("head");
  ASSERT_EQ(head.at("measurements").size(), 3U);
  EXPECT_EQ(head.at("measurements")[0].at("item"), "steps");
  EXPECT_EQ(head.at("measurements")[1].at("items"), 800.0);
  expect_measured(head);
}

TEST_F(GraftBench, ThePipelineHasStageSharesAndItsHostStagesAlone) {
  const Json result = measured("pipeline");
  ASSERT_EQ(result.at("measurements").size(), 7U);
  expect_measured(result);
  const Json& stages = result.at("measurements")[0].at("stages");
  for (const char* name : {"read", "decode", "resize", "backbone", "write"})
    EXPECT_GE(stages.at(name), 0.0) << name;
  for (const Json& share : stages) EXPECT_LT(share, 65.0) << "at most the number of threads";
  for (std::size_t i = 1; i < 7; ++i) EXPECT_EQ(result.at("measurements")[i].at("item"), "photos");
}

TEST_F(GraftBench, NotesGeneratedWeightsAndPhotos) {
  const std::string none = file("none.safetensors");
  std::vector<std::string> arguments = quick(
      "pipeline", {"--set", "backbone.weights=" + none, "--filter", "photos", "--samples", "1"});
  std::erase(arguments, "-q");
  const Outcome outcome = graft_program(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("weights: random (" + none + " does not exist)"));
  EXPECT_THAT(outcome.error, HasSubstr("photos: generated"));
}

TEST_F(GraftBench, PhotosOfTheConfigAreNeverReplacedByGeneratedOnes) {
  const Outcome outcome =
      graft_program(quick("pipeline", {"--set", "data.train=" + file("no photos")}));
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.error, HasSubstr(file("no photos")));
}

TEST_F(GraftBench, AResultNamesDeviceBuildConfigAndMethod) {
  const Json result = measured(
      "kernels", {"--filter", "preprocess", "--set", "seed=7", "--isa", "portable", "--hot"});
  EXPECT_EQ(result.at("device").at("device"), "cpu");
  EXPECT_EQ(result.at("device").at("instruction_set"), "portable");
  EXPECT_THAT(result.at("device").at("name").get<std::string>(), HasSubstr("1 thread"));
  EXPECT_GT(result.at("device").at("memory_bytes"), 0U);
  EXPECT_NE(result.at("build").at("compiler"), "");
  EXPECT_NE(result.at("build").at("version"), "");
  EXPECT_EQ(result.at("config").at("seed"), 7);
  EXPECT_EQ(result.at("method").at("cache"), "hot");
  EXPECT_EQ(result.at("method").at("seconds"), 0.05);
  EXPECT_EQ(result.at("method").at("least_samples"), 3);
}

TEST_F(GraftBench, AConfigGivesDataAndHeadAndOptionsGiveTheAxes) {
  write_file_whole(file("c.json"), R"({"device": "cpu", "head": {"hidden": [8, 4]}})");
  const Outcome outcome = graft_program(
      {"head", file("c.json"), "--batch", "7", "--size", "32x64", "--filter", "train", "--list"});
  EXPECT_EQ(lines_of(outcome.out),
            (std::vector<std::string>{"head/train_step/inputs:1024/hidden:8-4/batch:7"}))
      << outcome.error;
}

TEST_F(GraftBench, HelpExplainsSuitesAndExitCodes) {
  const Outcome outcome = graft_program({"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.error, IsEmpty());
  for (const char* part : {"pipeline", "--precision", "Examples:", "Exit codes:", "130"})
    EXPECT_THAT(outcome.out, HasSubstr(part));
}

TEST_F(GraftBench, WrongArgumentsAreExitCode2) {
  expect_refusal({}, 2, "graft-bench --help");
  expect_refusal({"everything"}, 2, "kernels");
  expect_refusal({"head", "--batch", "0"}, 2, "--batch");
  expect_refusal({"head", "--batch", "1,x"}, 2, "--batch");
  expect_refusal({"head", "--size", "150x"}, 2, "--size: expected 32 to 4096");
  expect_refusal({"head", "--size", "31"}, 2, "--size: expected 32 to 4096");
  expect_refusal({"head", "--precision", "fp33"}, 2, "--precision: fp33 not in {fp32");
  expect_refusal({"head", "--isa", "sse"}, 2, "--isa");
  expect_refusal({"head", "--filter", "a(b"}, 2, "--filter: this is no regular expression");
  expect_refusal({"head", "--filter", std::string(100'000, '(')}, 2, "at most 500 bytes");
  expect_refusal({"head", "--samples", "none"}, 2, "--samples");
  expect_refusal({"head", "--samples", "0"}, 2, "samples: expected 1 to 5,000");
  expect_refusal({"head", "--noise", "-1"}, 2, "noise: expected 0 or more");
  expect_refusal({"head", "--seconds", "0"}, 2, "seconds: expected more than 0");
  expect_refusal({"head", "--device", "gpu"}, 2, "--device");
  expect_refusal({"head", "--set", "bench.filter=a"}, 2, "bench");
  expect_refusal({"head", "--device", "cpu", "--filter", "no such case"}, 2,
                 "--filter no such case: no case has such a name");
  expect_refusal({"head", "none.json"}, 2, "none.json");
  write_file_whole(file("c.json"), "{}");
  expect_refusal({"head", file("c.json"), "--json", file("c.json")}, 2, "this is the config file");
}

TEST_F(GraftBench, ACpuRefusesOtherPrecisionsBeforeAnythingIsMeasured) {
  for (const std::string suite : {"kernels", "layers", "backbone", "head", "pipeline"})
    expect_refusal(quick(suite, {"--precision", "fp32,fp16", "--json", file("result.json")}), 2,
                   "--precision: a CPU has fp32 only, not fp16");
  EXPECT_FALSE(std::filesystem::exists(file("result.json")));
}

TEST_F(GraftBench, AFileThatCannotBeWrittenIsAnErrorBeforeTheWork) {
  expect_refusal(quick("head", {"--json", file("none/result.json")}), 6, "none/result.json");
}

TEST_F(GraftBench, WithoutAGpuCudaIsExitCode5AndNeverTheCpu) {
  for (const std::string device : {"cuda", "cuda:7"}) {
    ChildOptions options;
    options.environment["CUDA_VISIBLE_DEVICES"] = "-1";  // hides the machine's own
    const Outcome outcome = graft_program({"head", "--device", device, "--list"}, options);
    EXPECT_EQ(outcome.exit_code, 5) << outcome.out;
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.error, HasSubstr("\"device\": \"" + device + "\" cannot be used"));
  }
}

TEST_F(GraftBench, AFailedCaseIsNamedAndTheOthersAreMeasured) {
  std::filesystem::create_directory(file("no photos"));
  const Outcome outcome = graft_program(
      quick("all", {"--filter", "train_step|photos_to", "--set", "data.train=" + file("no photos"),
                    "--json", file("result.json")}));
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.error, HasSubstr("1 of 2 cases failed"));
  EXPECT_THAT(outcome.error, HasSubstr("pipeline/photos_to_features/fp32/size:32/batch:2"));
  const Json measurements = result().at("measurements");
  ASSERT_EQ(measurements.size(), 2U);
  EXPECT_FALSE(measurements[0].at("samples").empty());
  EXPECT_EQ(measurements[1].at("ended"), "failed");
}

TEST_F(GraftBench, ASignalEndsItAtOnceWhileCasesAreChosen) {
  // The filter backtracks without an end. "auto" notes the missing GPU just before.
  for (const int signal : {SIGINT, SIGTERM}) {
    ChildOptions options;
    options.environment["CUDA_VISIBLE_DEVICES"] = "-1";
    options.environment["TMPDIR"] = file("");
    Child child({"all", "--device", "auto", "--filter", "(([a-z0-9/:_]+)*)*!"}, options);
    ASSERT_TRUE(child.wait_until([&] {
      return child.error_so_far().find("takes no GPU") != std::string::npos;
    })) << child.wait().error;
    child.signal(signal);
    EXPECT_EQ(child.wait().exit_code, 130);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << "no temporary files are left";
}

TEST_F(GraftBench, ASampleOfThePipelineCanBeInterrupted) {
  // One sample of this batch is 4096 photos: minutes.
  std::vector<std::string> arguments =
      quick("pipeline", {"--json", file("result.json"), "--filter", "photos_to"});
  *(std::ranges::find(arguments, "--batch") + 1) = "1024";
  ChildOptions options;
  std::filesystem::create_directory(file("tmp"));
  options.environment["TMPDIR"] = file("tmp");
  Child child(arguments, options);
  const auto rows_appear = [&] {
    std::error_code gone;
    for (std::filesystem::recursive_directory_iterator one(file("tmp"), gone), end;
         !gone && one != end; one.increment(gone))
      if (one->path().parent_path().filename() == "features") return true;
    return false;
  };
  ASSERT_TRUE(child.wait_until(rows_appear)) << child.wait().error;
  child.signal(SIGINT);
  const Outcome outcome = child.wait();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("interrupted after 0 of 1 case"));
  const Json measurements = result().at("measurements");
  ASSERT_EQ(measurements.size(), 1U);
  EXPECT_EQ(measurements[0].at("ended"), "interrupted");
  EXPECT_TRUE(measurements[0].at("samples").empty());
}

TEST_F(GraftBench, AnInterruptedResultIsSavedAsIncomplete) {
  // The noise is unreachable, so every case takes its time.
  Child child(quick("kernels", {"--seconds", ".3", "--samples", "5000", "--noise", "1e-9", "--hot",
                                "--json", file("result.json"), "--filter", "batch"}));
  const auto first_is_saved = [&] {
    return std::filesystem::exists(file("result.json")) && !names_of(result()).empty();
  };
  ASSERT_TRUE(child.wait_until(first_is_saved)) << child.wait().error;
  child.signal(SIGINT);
  const Outcome outcome = child.wait();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("interrupted after"));
  EXPECT_THAT(outcome.out, HasSubstr("kernels/pack_rows/batch:2")) << "the table is printed";
  EXPECT_EQ(result().at("complete"), false);
  EXPECT_FALSE(result().at("measurements")[0].at("samples").empty());
  EXPECT_LT(result().at("measurements").size(), 11U) << "there are eleven cases";
}

}  // namespace
}  // namespace graft::test
