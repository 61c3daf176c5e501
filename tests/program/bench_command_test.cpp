// `graft bench` from outside, on the CPU and at sizes that take no time: what it says, writes and
// returns.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "bench/harness/result_file.h"
#include "engine/base/file.h"
#include "tests/program/child.h"
#include "tests/program/recipe.h"

namespace graft::test {
namespace {

using bench::Ended;
using bench::read_result;
using bench::Result;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class Bench : public ::testing::Test {
 protected:
  // Few and small: a case takes about a tenth of a second.
  static std::vector<std::string> quick(const std::string& suite,
                                        const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"bench", suite,       "--device", "cpu",     "--batch",
                                          "2",     "--size",    "32",       "-q",      "--samples",
                                          "3",     "--seconds", ".05",      "--noise", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  // Measures with --json, and reads the file back.
  Result measured(const std::string& suite, std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--json", file("result.json")});
    const Outcome outcome = graft_program(quick(suite, more));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    EXPECT_THAT(outcome.out, HasSubstr(suite));
    return read_result(file("result.json"));
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
    EXPECT_THAT(outcome.error, StartsWith("graft: "));
    EXPECT_THAT(outcome.error, HasSubstr(part));
    EXPECT_EQ(lines_of(outcome.error).size(), 1U) << outcome.error;
  }

  const TemporaryFolder folder_;
};

std::vector<std::string> names_of(const Result& result) {
  std::vector<std::string> names;
  for (const bench::Measurement& one : result.measurements) names.push_back(one.what.name);
  return names;
}

void expect_measured(const Result& result) {
  EXPECT_TRUE(result.complete);
  EXPECT_TRUE(result.gives_times);
  EXPECT_GT(result.ceilings.bytes_per_second, 0.0);
  for (const bench::Measurement& one : result.measurements) {
    EXPECT_THAT(one.ended, ::testing::AnyOf(Ended::settled, Ended::time_cap)) << one.what.name;
    EXPECT_FALSE(one.samples.empty()) << one.what.name << ": " << one.failure;
    EXPECT_THAT(one.samples, Each(::testing::Gt(0.0))) << one.what.name;
  }
}

TEST_F(Bench, ListNamesEveryCaseOnceAndMeasuresNothing) {
  const std::vector<std::string> all = listed("all");
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  std::size_t in_suites = 0;
  for (const std::string suite : {"kernels", "layers", "backbone", "head", "pipeline"}) {
    const std::vector<std::string> names = listed(suite);
    EXPECT_THAT(names, Each(StartsWith(suite + "/")));
    in_suites += names.size();
  }
  EXPECT_EQ(all.size(), in_suites);
  EXPECT_THAT(all, Contains("kernels/gemm/depth:128"));
  EXPECT_THAT(all, Contains("layers/block1_conv1/direct/fp32/size:32/batch:2"));
  EXPECT_THAT(all, Not(Contains("layers/block1_conv1/winograd/fp32/size:32/batch:2")));
  EXPECT_THAT(all, Contains("layers/block5_conv3/winograd/fp32/size:32/batch:2"));
  EXPECT_THAT(all, Contains("backbone/vgg16/fp32/size:32/batch:2"));
  EXPECT_THAT(all, Contains("head/train_step/inputs:512/hidden:256/batch:2"));
  EXPECT_THAT(all, Contains("pipeline/photos_to_features/fp32/size:32/batch:2"));
}

TEST_F(Bench, LayersAreThirteenTwiceButTheFirst) {
  EXPECT_EQ(listed("layers").size(), 25U);
  EXPECT_EQ(listed("layers", {"--filter", "^layers/block3.*direct"}).size(), 3U);
}

TEST_F(Bench, KernelsHaveTimesCostsAndShares) {
  const Result result = measured("kernels", {"--filter", "gemm/depth:64|relu_dropout/|preprocess"});
  EXPECT_THAT(names_of(result),
              ::testing::ElementsAre("kernels/gemm/depth:64", "kernels/preprocess/size:32",
                                     "kernels/relu_dropout/batch:2"));
  expect_measured(result);
  for (const bench::Measurement& one : result.measurements) EXPECT_GT(one.what.cost.bytes, 0.0);
}

TEST_F(Bench, EveryKernelRuns) {
  const std::vector<std::string> all = listed("kernels");
  const Result result = measured("kernels", {"--hot", "--samples", "1", "--seconds", "0.001"});
  EXPECT_EQ(names_of(result), all);
  expect_measured(result);
}

TEST_F(Bench, LayersRunByEitherAlgorithm) {
  const Result result = measured("layers", {"--filter", "block1_conv|block5_conv3"});
  EXPECT_EQ(result.measurements.size(), 5U);
  expect_measured(result);
  EXPECT_GT(result.measurements[0].what.cost.flop, 0.0);
}

TEST_F(Bench, TheBackboneAndTheHeadCountImagesStepsAndRows) {
  const Result backbone = measured("backbone");
  ASSERT_EQ(backbone.measurements.size(), 1U);
  EXPECT_EQ(backbone.measurements[0].what.item, "images");
  EXPECT_EQ(backbone.measurements[0].what.items, 2.0);
  expect_measured(backbone);
  const Result head = measured("head");
  ASSERT_EQ(head.measurements.size(), 3U);
  EXPECT_EQ(head.measurements[0].what.item, "steps");
  EXPECT_EQ(head.measurements[1].what.items, 800.0);
  expect_measured(head);
}

TEST_F(Bench, ThePipelineHasTheShareOfEachStage) {
  const Result result = measured("pipeline");
  ASSERT_EQ(result.measurements.size(), 1U);
  expect_measured(result);
  std::vector<std::string> stages;
  for (const auto& [name, share] : result.measurements[0].stages) {
    stages.push_back(name);
    EXPECT_GE(share, 0.0) << name;
    EXPECT_LT(share, 65.0) << name << ": more than any number of threads here";
  }
  EXPECT_THAT(stages, ::testing::IsSupersetOf({"read", "decode", "resize", "backbone", "write"}));
}

TEST_F(Bench, SaysWhatStandsInForWeightsAndPhotos) {
  const std::string none = file("none.safetensors");
  std::vector<std::string> arguments =
      quick("pipeline", {"--set", "backbone.weights=" + none, "--samples", "1"});
  std::erase(arguments, "-q");
  const Outcome outcome = graft_program(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("there is no " + none));
  EXPECT_THAT(outcome.error, HasSubstr("photos: made ones"));
}

TEST_F(Bench, PhotosOfTheConfigThatAreNotThereAreNotMade) {
  const Outcome outcome =
      graft_program(quick("pipeline", {"--set", "data.train=" + file("no photos")}));
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.error, HasSubstr(file("no photos")));
}

TEST_F(Bench, AResultSaysWhatMeasuredItAndWithWhat) {
  const Result result = measured("kernels", {"--filter", "preprocess", "--threads", "1", "--set",
                                             "seed=7", "--isa", "portable"});
  EXPECT_EQ(result.device.device, "cpu");
  EXPECT_EQ(result.device.instruction_set, "portable");
  EXPECT_THAT(result.device.name, HasSubstr("1 thread"));
  EXPECT_GT(result.device.memory_bytes, 0U);
  EXPECT_THAT(result.build.compiler, Not(IsEmpty()));
  EXPECT_THAT(result.build.version, Not(IsEmpty()));
  const auto config = nlohmann::json::parse(result.config);
  EXPECT_EQ(config.at("seed"), 7);
  EXPECT_EQ(config.at("bench").at("filter"), "preprocess");
}

TEST_F(Bench, TheConfigsBlockSaysTheSameAndOptionsWin) {
  write_file_whole(file("bench.json"), R"({"device": "cpu", "bench": {"batch": [3, 5], "size": [32],
      "filter": "train_step", "samples": 2, "seconds": 0.01, "noise": 1, "cache": "hot"}})");
  const Outcome block = graft_program({"bench", "head", file("bench.json"), "--list"});
  EXPECT_EQ(lines_of(block.out),
            (std::vector<std::string>{"head/train_step/inputs:512/hidden:256/batch:3",
                                      "head/train_step/inputs:512/hidden:256/batch:5"}))
      << block.error;
  const Outcome option = graft_program(
      {"bench", "head", file("bench.json"), "--batch", "7", "--size", "32x64", "--list"});
  EXPECT_EQ(lines_of(option.out),
            (std::vector<std::string>{"head/train_step/inputs:1024/hidden:256/batch:7"}))
      << option.error;
}

TEST_F(Bench, WritesCsvWithARowForEachCase) {
  const Outcome outcome =
      graft_program(quick("kernels", {"--filter", "cross_entropy", "--csv", file("result.csv")}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const std::vector<std::string> lines = lines_of(text_of(file("result.csv")));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[1], HasSubstr("sigmoid_cross_entropy"));
}

TEST_F(Bench, MistakesAreExitCode2) {
  expect_refusal({"bench"}, 2, "graft bench --help");
  expect_refusal({"bench", "everything"}, 2,
                 "bench everything: no such command; there are kernels");
  expect_refusal({"bench", "layer"}, 2, "bench layer: no such command; did you mean \"layers\"?");
  expect_refusal({"config", "chekc"}, 2, "config chekc: no such command; did you mean \"check\"?");
  expect_refusal({"bench", "head", "--batch", "0"}, 2, "--batch: bench.batch: expected a list of");
  expect_refusal({"bench", "head", "--batch", "1,x"}, 2, "[1,\"x\"]");
  expect_refusal({"bench", "head", "--size", "150x"}, 2, "--size: bench.size: expected");
  expect_refusal({"bench", "head", "--precision", "fp33"}, 2, "did you mean \"fp32\"?");
  expect_refusal({"bench", "head", "--filter", "a(b"}, 2, "regular expression");
  expect_refusal({"bench", "head", "--samples", "none"}, 2, "bench.samples");
  expect_refusal({"bench", "head", "--device", "gpu"}, 2, "--device: device: expected");
  expect_refusal(
      {"bench", "head", "--device", "cpu", "--filter", "no such case"}, 2,
      "no case's name matches the filter \"no such case\"; `graft bench head --device cpu "
      "--list` shows them all");
  expect_refusal({"bench", "head", "none.json"}, 2, "none.json");
  expect_refusal({"bench", "compare", "a.json"}, 2, "graft bench compare --help");
  expect_refusal({"bench", "plot", "a.json"}, 2, "--output");
  write_file_whole(file("c.json"), "{}");
  expect_refusal({"bench", "head", file("c.json"), "--json", file("c.json")}, 2,
                 "this is the config file");
}

TEST_F(Bench, AFileIsWrittenByOneOfTheOptionsOnly) {
  std::filesystem::create_directory(file("folder"));
  for (const std::string& other : {file("r.json"), file("folder/../r.json")})
    expect_refusal(quick("head", {"--json", file("r.json"), "--csv", other}), 2,
                   "--json and --csv both name " + other);
  EXPECT_FALSE(std::filesystem::exists(file("r.json")));
}

TEST_F(Bench, ACpuRefusesEveryPrecisionButItsOwnBeforeAnythingIsMeasured) {
  for (const std::string suite : {"kernels", "layers", "backbone", "head", "pipeline"})
    expect_refusal(
        quick(suite, {"--precision", "fp32,fp16", "--json", file("result.json")}), 2,
        "a CPU computes in fp32 only, and bench.precision (--precision) asks for fp16; leave fp16 "
        "out");
  EXPECT_FALSE(std::filesystem::exists(file("result.json")));
}

TEST_F(Bench, AFileThatCannotBeWrittenIsFoundBeforeTheWork) {
  expect_refusal(quick("head", {"--json", file("none/result.json")}), 6, "none/result.json");
}

TEST_F(Bench, WithoutAGpuCudaIsExitCode5AndNeverTheCpu) {
  for (const std::string device : {"cuda", "cuda:7"}) {
    ChildOptions options;
    options.environment["CUDA_VISIBLE_DEVICES"] = "-1";  // hides a machine's own
    const Outcome outcome = graft_program({"bench", "head", "--device", device, "--list"}, options);
    EXPECT_EQ(outcome.exit_code, 5) << outcome.out;
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.error, HasSubstr("\"device\": \"" + device + "\" cannot be used"));
  }
}

TEST_F(Bench, ACaseThatCannotBeMeasuredIsNamedAndTheOthersStand) {
  std::filesystem::create_directory(file("no photos"));
  const Outcome outcome = graft_program(
      quick("all", {"--filter", "train_step|pipeline", "--set", "data.train=" + file("no photos"),
                    "--json", file("result.json")}));
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.error, HasSubstr("1 of 2 cases could not be measured"));
  EXPECT_THAT(outcome.error, HasSubstr("pipeline/photos_to_features/fp32/size:32/batch:2"));
  const Result result = read_result(file("result.json"));
  ASSERT_EQ(result.measurements.size(), 2U);
  EXPECT_FALSE(result.measurements[0].samples.empty());
  EXPECT_EQ(result.measurements[1].ended, Ended::failed);
}

TEST_F(Bench, ASignalEndsItAtOnceWhileCasesAreChosen) {
  // Backtracks without an end. "auto" says that there is no GPU, just before the cases are listed.
  for (const int signal : {SIGINT, SIGTERM}) {
    std::vector<std::string> arguments = {"bench", "all",      "--device",
                                          "auto",  "--filter", "(([a-z0-9/:_]+)*)*!"};
    ChildOptions options;
    options.environment["CUDA_VISIBLE_DEVICES"] = "-1";  // hides a machine's own
    options.environment["TMPDIR"] = file("");
    Child child(arguments, options);
    ASSERT_TRUE(child.wait_until([&] {
      return child.error_so_far().find("takes no GPU") != std::string::npos;
    })) << child.wait().error;
    child.signal(signal);
    EXPECT_EQ(child.wait().exit_code, 130);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << "nothing is left behind";
}

TEST_F(Bench, ASampleOfThePipelineIsInterruptedInItsMiddle) {
  // One sample of this batch is 4096 photos: minutes, if it were ended.
  std::vector<std::string> arguments = quick("pipeline", {"--json", file("result.json")});
  std::replace(arguments.begin(), arguments.end(), std::string("2"), std::string("1024"));
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
  const Result result = read_result(file("result.json"));
  ASSERT_EQ(result.measurements.size(), 1U);
  EXPECT_EQ(result.measurements[0].ended, Ended::interrupted);
  EXPECT_THAT(result.measurements[0].samples, IsEmpty());
}

TEST_F(Bench, InterruptedItKeepsWhatItHas) {
  // Every case takes its time: the noise that is asked for never comes.
  Child child(quick("kernels", {"--seconds", ".3", "--samples", "5000", "--noise", "1e-9", "--hot",
                                "--json", file("result.json"), "--filter", "batch"}));
  const auto first_is_kept = [&] {
    const std::string path = file("result.json");
    return std::filesystem::exists(path) &&
           text_of(path).find("kernels/pack_rows") != std::string::npos;
  };
  ASSERT_TRUE(child.wait_until(first_is_kept)) << child.wait().error;
  child.signal(SIGINT);
  const Outcome outcome = child.wait();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("interrupted after"));
  EXPECT_THAT(outcome.out, HasSubstr("kernels/pack_rows/batch:2")) << "the table is printed";
  const Result result = read_result(file("result.json"));
  EXPECT_FALSE(result.complete);
  ASSERT_FALSE(result.measurements.empty());
  EXPECT_FALSE(result.measurements[0].samples.empty());
  EXPECT_LT(result.measurements.size(), 11U) << "there are eleven cases";
}

class BenchFiles : public Bench {
 protected:
  // A result on disk, its times multiplied.
  std::string stored(const std::string& name, double factor) {
    if (!base_) base_ = measured("kernels", {"--filter", "cross_entropy"});
    Result changed = *base_;
    for (bench::Measurement& one : changed.measurements) {
      one.samples.clear();
      for (std::size_t i = 0; i < 20; ++i)
        one.samples.push_back(factor * (1e-3 + 1e-7 * static_cast<double>(i % 5)));
    }
    write_file_whole(file(name), bench::result_json(changed));
    return file(name);
  }

 private:
  std::optional<Result> base_;
};

TEST_F(BenchFiles, CompareSaysFasterSlowerOrTheSame) {
  const std::string before = stored("before.json", 1.0), after = stored("after.json", 1.2);
  const Outcome slower = graft_program({"bench", "compare", before, after});
  EXPECT_EQ(slower.exit_code, 0) << slower.error;
  EXPECT_THAT(slower.out, HasSubstr("slower"));
  const Outcome faster = graft_program({"bench", "compare", after, before, "--json"});
  ASSERT_EQ(faster.exit_code, 0) << faster.error;
  EXPECT_EQ(nlohmann::json::parse(faster.out).at("rows").at(0).at("verdict"), "faster");
}

TEST_F(BenchFiles, FailOnIsExitCode7ForSlowerRowsOnly) {
  const std::string before = stored("before.json", 1.0), after = stored("after.json", 1.2);
  const auto code = [&](const std::string& from, const std::string& to, const std::string& rule) {
    return graft_program({"bench", "compare", from, to, "--fail-on", rule}).exit_code;
  };
  EXPECT_EQ(code(before, after, "slower:5%"), 7);
  EXPECT_EQ(code(before, after, "slower:30%"), 0);
  EXPECT_EQ(code(after, before, "slower:5%"), 0);
  EXPECT_EQ(code(before, before, "slower"), 0);
  expect_refusal({"bench", "compare", before, after, "--fail-on", "faster"}, 2, "faster");
}

TEST_F(BenchFiles, FailOnOfLessThanWhatIsTheSameLooksFiner) {
  const std::string before = stored("before.json", 1.0), after = stored("after.json", 1.008);
  const auto code = [&](const std::string& rule) {
    return graft_program({"bench", "compare", before, after, "--fail-on", rule}).exit_code;
  };
  EXPECT_EQ(code("slower:0.5%"), 7);
  EXPECT_EQ(code("slower:0.9%"), 0);
  EXPECT_EQ(code("slower"), 0) << "within 1 % nothing has that verdict";
}

TEST_F(BenchFiles, PlotNeverWritesOverAResult) {
  const std::string one = stored("one.json", 1.0), other = stored("other.json", 2.0);
  const std::string bytes = text_of(other);
  std::filesystem::create_symlink(other, file("link.svg"));
  for (const std::string& output : {other, file("link.svg")})
    expect_refusal({"bench", "plot", one, other, "-o", output}, 2,
                   output + ": this is one of the results to draw");
  EXPECT_EQ(text_of(other), bytes);
}

TEST_F(BenchFiles, FilesThatAreNoResultsAreRefused) {
  write_file_whole(file("no.json"), "{}");
  expect_refusal({"bench", "compare", file("no.json"), file("no.json")}, 3, "no.json");
  expect_refusal({"bench", "plot", file("none.json"), "-o", file("o.svg")}, 6, "none.json");
  EXPECT_FALSE(std::filesystem::exists(file("o.svg")));
}

TEST_F(BenchFiles, PlotWritesAnSvg) {
  const std::string one = stored("one.json", 1.0), other = stored("other.json", 2.0);
  const Outcome outcome = graft_program({"bench", "plot", one, other, "-o", file("o.svg")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const std::string svg = text_of(file("o.svg"));
  EXPECT_THAT(svg, HasSubstr("<svg"));
  EXPECT_THAT(svg, HasSubstr("softmax_cross_entropy"));
}

}  // namespace
}  // namespace graft::test
