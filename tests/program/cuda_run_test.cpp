// The recipe on a GPU, as a user runs it; here on the virtual one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <nlohmann/json.hpp>
#include <span>

#include "engine/base/file.h"
#include "engine/features/npy.h"
#include "tests/program/cuda_support.h"
#include "tests/program/recipe.h"
#include "tests/support/npz.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Twelve of the photos with reference features of Keras, and a config for them.
class KerasPhotos {
 public:
  KerasPhotos(const std::filesystem::path& reference, const std::filesystem::path& weights) {
    const auto arrays = read_npz(reference / "reference" / "seed_features_keras.npz");
    expected_ = arrays.at("features").floats();
    names_ = arrays.at("files").strings();
    std::map<std::string, int> of_class;
    for (const std::string& name : names_) {
      const std::string label = name.substr(0, name.find('/'));
      const int n = of_class[label]++;
      if (n >= 6) continue;
      const std::filesystem::path to = folder_.path() / (n < 4 ? "train" : "validation") / name;
      std::filesystem::create_directories(to.parent_path());
      std::filesystem::copy_file(reference / "data" / "cats_and_dogs" / "train" / name, to);
    }
    write_file_whole(
        config(),
        nlohmann::json{
            {"device", "cpu"},
            {"data",
             {{"train", (folder_.path() / "train").string()},
              {"validation", (folder_.path() / "validation").string()},
              {"image_size", {150, 150}},
              {"resize", "nearest"},
              {"preprocess", "rescale"}}},
            {"backbone", {{"weights", weights.string()}, {"batch_size", 4}, {"precision", "fp32"}}},
            {"train", {{"epochs", 2}, {"batch_size", 4}}}}
            .dump());
  }
  std::filesystem::path config() const { return folder_.path() / "config.json"; }
  std::filesystem::path output(const std::string& name) const { return folder_.path() / name; }

  // The largest difference of a run's features to Keras', over every row of a set.
  double difference(const std::filesystem::path& run, const std::string& set) const {
    const auto files = nlohmann::json::parse(text_of(run / "features" / (set + ".files.json")));
    const NpyFile rows(run / "features" / (set + ".npy"));
    const std::size_t columns = expected_.size() / names_.size();
    double largest = 0.0;
    for (std::size_t row = 0; row < files.at("rows").size(); ++row) {
      const auto file = files.at("rows")[row].at("file").get<std::string>();
      const auto found = std::ranges::find(names_, file);
      if (found == names_.end()) return INFINITY;
      const auto index = static_cast<std::size_t>(found - names_.begin());
      for (std::size_t column = 0; column < columns; ++column) {
        const double value = rows.floats()[row * columns + column];
        if (!std::isfinite(value)) return INFINITY;
        largest = std::max(largest, std::abs(value - expected_[index * columns + column]));
      }
    }
    return largest;
  }

 private:
  TemporaryFolder folder_;
  std::vector<float> expected_;
  std::vector<std::string> names_;
};

std::vector<double> history(const std::filesystem::path& run, const std::string& name) {
  const auto json = nlohmann::json::parse(text_of(run / "result/history.json"));
  return json.at("history").at(name).get<std::vector<double>>();
}

TEST(CudaRun, FeaturesAreKerasAndLossesTheCpus) {
  GRAFT_REFERENCE_OR_SKIP(reference);
  const auto weights = vgg16_weights_file();
  if (!weights) GTEST_SKIP() << "needs the VGG16 weights (tools/fetch_weights.sh)";
  const KerasPhotos photos(reference, *weights);
  const auto arguments = [&](const std::string& device) {
    return std::vector<std::string>{"run",      photos.config().string(),
                                    "--output", photos.output(device).string(),
                                    "--set",    "device=" + device};
  };
  const CudaOutcome cuda = run_on_virtual_gpu(arguments("cuda"));
  ASSERT_EQ(cuda.outcome.exit_code, 0) << cuda.outcome.error;
  EXPECT_THAT(cuda.report.errors, IsEmpty());
  EXPECT_THAT(cuda.outcome.error, HasSubstr("sm_90"));
  for (const std::string set : {"train", "validation"}) {
    EXPECT_LE(photos.difference(photos.output("cuda"), set), 1e-3) << set;
  }
  ASSERT_EQ(graft_program(arguments("cpu")).exit_code, 0);
  for (const std::string name : {"loss", "val_loss"}) {
    const auto actual = history(photos.output("cuda"), name);
    const auto expected = history(photos.output("cpu"), name);
    ASSERT_EQ(actual.size(), 2U);
    for (std::size_t epoch = 0; epoch < 2; ++epoch) {
      EXPECT_NEAR(actual[epoch], expected[epoch], 1e-4) << name << " of epoch " << epoch + 1;
    }
  }
}

TEST(CudaRun, TheSameBytesInAnyOrderOfTheStreams) {
  const Recipe recipe;
  for (const std::string seed : {"0", "1", "2"}) {
    const CudaOutcome run = run_on_virtual_gpu(
        recipe.arguments("run", seed, {"--set", "device=cuda"}), {{"VGPU_SEED", seed}});
    ASSERT_EQ(run.outcome.exit_code, 0) << run.outcome.error;
    EXPECT_THAT(run.report.errors, IsEmpty()) << "seed " << seed;
    EXPECT_TRUE(same_results(recipe.output(seed), recipe.output("0")));
  }
}

// As `mpirun -n 3` starts them on a machine with three GPUs.
TEST(CudaRun, EachLocalRankUsesItsOwnGpu) {
  const Recipe recipe;
  const std::vector<std::string> ranks = {"0", "1", "2"};
  std::vector<std::future<CudaOutcome>> runs;
  for (const std::string& rank : ranks) {
    runs.push_back(std::async(std::launch::async, [&recipe, rank] {
      return run_on_virtual_gpu(recipe.arguments("run", rank, {"--set", "device=cuda:local"}),
                                {{"VGPU_DEVICES", "3"}, {"OMPI_COMM_WORLD_LOCAL_RANK", rank}});
    }));
  }
  for (std::future<CudaOutcome>& one : runs) one.wait();
  for (const std::string& rank : ranks) {
    const CudaOutcome run = runs[std::stoul(rank)].get();
    ASSERT_EQ(run.outcome.exit_code, 0) << run.outcome.error;
    EXPECT_THAT(run.report.errors, IsEmpty());
    EXPECT_THAT(lines_of(run.outcome.error).front(),
                ::testing::ContainsRegex("device: .* \\(cuda:" + rank + "\\), sm_90"));
    EXPECT_EQ(run.report.used_devices, std::vector<int>{std::stoi(rank)});
    EXPECT_TRUE(same_results(recipe.output(rank), recipe.output("0")));
    const auto used = nlohmann::json::parse(text_of(recipe.result(rank) / "config.json"));
    EXPECT_EQ(used.at("device"), "cuda:local");
  }
}

// SLURM's --gpus-per-task: each process sees its own GPU alone, as the first.
TEST(CudaRun, TheOnlyGpuIsTheOneOfAnyLocalRank) {
  const Recipe recipe;
  const CudaOutcome run = run_on_virtual_gpu(
      recipe.arguments("extract", "a", {"--set", "device=cuda:local"}), {{"SLURM_LOCALID", "3"}});
  EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.error;
  EXPECT_THAT(run.outcome.error, HasSubstr("local rank 3 takes the one visible GPU"));
  EXPECT_THAT(run.outcome.error, HasSubstr("(cuda:0), sm_90"));
}

TEST(CudaRun, EveryPrecisionGivesFeaturesNearTheCpus) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("cpu").exit_code, 0);
  const NpyFile expected(recipe.output("cpu") / "features/train.npy");
  const float largest = std::ranges::max(expected.floats());
  // Relative to the largest feature: rounding to 10 bits of fraction (tf32, fp16) or 7 through 13
  // layers.
  const std::map<std::string, double> bounds = {{"tf32", 1e-2}, {"fp16", 1e-2}, {"bf16", 8e-2}};
  for (const auto& [precision, bound] : bounds) {
    const CudaOutcome run = run_on_virtual_gpu(
        recipe.arguments("extract", precision,
                         {"--set", "device=cuda", "--set", "backbone.precision=" + precision}));
    ASSERT_EQ(run.outcome.exit_code, 0) << run.outcome.error;
    EXPECT_THAT(run.report.errors, IsEmpty());
    const NpyFile actual(recipe.output(precision) / "features/train.npy");
    ASSERT_EQ(actual.floats().size(), expected.floats().size());
    for (std::size_t i = 0; i < actual.floats().size(); ++i) {
      ASSERT_NEAR(actual.floats()[i], expected.floats()[i], bound * largest)
          << precision << ", value " << i;
    }
  }
}

// Of each image that `graft predict --json` printed, in order.
std::vector<std::vector<double>> probabilities_of(const Outcome& outcome) {
  std::vector<std::vector<double>> all;
  for (const std::string& line : lines_of(outcome.out)) {
    all.emplace_back();
    const auto json = nlohmann::json::parse(line);
    for (const auto& [name, value] : json.at("probabilities").items()) all.back().push_back(value);
  }
  return all;
}

constexpr const char* rounded_differently = "the features are rounded differently";

// With backbone.precision "auto": TF32 on the one, FP32 on the other.
class OtherDevice : public ::testing::Test {
 protected:
  Outcome on_gpu(const std::vector<std::string>& arguments) {
    const CudaOutcome run = run_on_virtual_gpu(arguments);
    EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.error;
    EXPECT_THAT(run.report.errors, IsEmpty());
    return run.outcome;
  }
  Outcome on_cpu(const std::vector<std::string>& arguments) {
    Outcome outcome = graft_program(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    return outcome;
  }
  std::vector<std::string> predict(const std::string& device) const {
    return {"predict",
            recipe_.output("a").string(),
            (recipe_.folder() / "validation").string(),
            "--json",
            "--set",
            "device=" + device};
  }
  void expect_same_answers(const Outcome& actual, const Outcome& expected) {
    const auto some = probabilities_of(actual), others = probabilities_of(expected);
    ASSERT_EQ(some.size(), 4U);
    ASSERT_EQ(others.size(), 4U);
    for (std::size_t photo = 0; photo < 4; ++photo) {
      for (std::size_t label = 0; label < 2; ++label)
        EXPECT_NEAR(some[photo][label], others[photo][label], 1e-2) << photo;
    }
  }

  const Recipe recipe_;
};

TEST_F(OtherDevice, ARunOfAGpuPredictsAndEvaluatesOnACpuAndTrainsThere) {
  const Outcome trained = on_gpu(recipe_.arguments("run", "a", {"--set", "device=cuda"}));
  EXPECT_THAT(trained.error, HasSubstr("; backbone: tf32 (chosen by \"auto\"), batches of 3; "));
  const auto used = nlohmann::json::parse(text_of(recipe_.result("a") / "config.json"));
  EXPECT_EQ(used.at("backbone").at("precision"), "auto");
  EXPECT_THAT(text_of(recipe_.output("a") / "features/train.files.json"), HasSubstr("cuda tf32 "));
  const Outcome expected = on_gpu(predict("cuda"));
  EXPECT_THAT(expected.error, ::testing::Not(HasSubstr(rounded_differently)));

  const Outcome predicted = on_cpu(predict("cpu"));
  expect_same_answers(predicted, expected);
  EXPECT_THAT(predicted.error, HasSubstr(rounded_differently));
  EXPECT_THAT(predicted.error,
              ::testing::ContainsRegex("numerics changed from cuda tf32 .* to cpu .*fp32"));

  // The stored features are good on any device. Photos that have none are computed.
  const std::string run = recipe_.output("a").string();
  const Outcome stored = on_cpu({"evaluate", run, "--set", "device=cpu"});
  EXPECT_THAT(stored.error, ::testing::Not(HasSubstr("computed now")));
  const Outcome computed = on_cpu({"evaluate", run, "--set", "device=cpu", "--set",
                                   "data.validation=" + (recipe_.folder() / "train").string()});
  EXPECT_THAT(computed.error, HasSubstr("computed now"));
  EXPECT_THAT(computed.error, HasSubstr(rounded_differently));
  on_cpu(recipe_.arguments("train", "a", {"--set", "seed=2"}));
  const Outcome again = on_cpu(recipe_.arguments("run", "a", {"--set", "seed=2"}));
  EXPECT_THAT(again.error, ::testing::ContainsRegex("features/train: numerics changed from cuda "
                                                    "tf32 .*: all rows are computed again"));
}

TEST_F(OtherDevice, ARunOfACpuPredictsOnAGpu) {
  on_cpu(recipe_.arguments("run", "a"));
  const Outcome predicted = on_gpu(predict("cuda"));
  expect_same_answers(predicted, on_cpu(predict("cpu")));
  EXPECT_THAT(predicted.error,
              ::testing::ContainsRegex("numerics changed from cpu .*fp32 .* to cuda tf32"));
}

// So that the bytes of a photo's features do not depend on how many there are.
TEST(CudaRun, AutoTakesTheGpusBatchForAnyNumberOfPhotos) {
  const Recipe recipe;
  const auto features = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--set", "device=cuda", "--set",
                                      "backbone.batch_size=\"auto\""};
    words.insert(words.end(), more.begin(), more.end());
    const CudaOutcome run =
        run_on_virtual_gpu(recipe.arguments("extract", name, words), {{"VGPU_MEMORY", "96MiB"}});
    EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.error;
    EXPECT_THAT(run.outcome.error, HasSubstr("batches of 16 (chosen by \"auto\")"));
    EXPECT_THAT(run.report.errors, IsEmpty());
    const NpyFile rows(recipe.output(name) / "features/train.npy");
    return std::vector<float>(rows.floats().begin(), rows.floats().end());
  };
  const auto all = features("all", {});
  // The rows of `train` are brown, then grey.
  for (const char* photo : {"photo 1.png", "photo 2.png", "photo 3.png"})
    std::filesystem::remove(recipe.folder() / "train/brown" / photo);
  const auto fewer = features("fewer", {});
  const auto row = all.size() / 8;
  ASSERT_EQ(fewer.size(), 5 * row);
  EXPECT_TRUE(std::equal(fewer.begin() + row, fewer.end(), all.begin() + 4 * row));
}

TEST(CudaRun, ABatchOfAutoThatDoesNotFitIsRefusedWithOneThatDoes) {
  const Recipe recipe;
  const auto extract = [&](const std::string& batch) {
    return run_on_virtual_gpu(
        recipe.arguments("extract", "a",
                         {"--set", "device=cuda", "--set", "backbone.batch_size=" + batch}),
        {{"VGPU_MEMORY", "64MiB"}});
  };
  const CudaOutcome refused = extract("auto");
  EXPECT_EQ(refused.outcome.exit_code, 5);
  const std::string last = lines_of(refused.outcome.error).back();
  ASSERT_THAT(last, ::testing::ContainsRegex("; choose backbone.batch_size [1-9]+\\.$"));
  const std::string batch = last.substr(last.rfind(' ') + 1);
  EXPECT_EQ(extract(batch.substr(0, batch.size() - 1)).outcome.exit_code, 0);
}

TEST(CudaRun, ACacheOfPlansThatCannotBeWrittenIsSaidAndStopsNothing) {
  const Recipe recipe;
  write_file_whole(recipe.output("file"), "not a folder");
  const CudaOutcome run = run_on_virtual_gpu(recipe.arguments(
      "extract", "a",
      {"--set", "device=cuda", "--set", "cache=" + recipe.output("file").string()}));
  EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.error;
  EXPECT_THAT(run.outcome.error, HasSubstr("plans are not kept for the next run"));
}

// ---- Refusals and their messages ----

struct Refusal {
  std::string name;
  std::map<std::string, std::string> settings;
  std::string device;
  std::string sentence;
};
void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.name;
}

class CudaRefusal : public ::testing::TestWithParam<Refusal> {};

TEST_P(CudaRefusal, IsExitCode5AndASentence) {
  const Recipe recipe;
  const CudaOutcome run = run_on_virtual_gpu(
      recipe.arguments("run", "a", {"--set", "device=" + GetParam().device}), GetParam().settings);
  EXPECT_EQ(run.outcome.exit_code, 5);
  EXPECT_THAT(run.outcome.error, HasSubstr(GetParam().sentence));
  EXPECT_FALSE(std::filesystem::exists(recipe.output("a") / "features/train.npy"));
  EXPECT_THAT(run.report.errors, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Each, CudaRefusal,
    ::testing::Values(
        Refusal{"no_gpu", {{"VGPU_DEVICES", "0"}}, "cuda", "shows no GPU"},
        Refusal{"old_driver", {{"VGPU_DRIVER", "12000"}}, "cuda", "12.0"},
        Refusal{"no_second_gpu", {}, "cuda:1", "cuda:1"},
        Refusal{"no_gpu_for_a_local_rank",
                {{"VGPU_DEVICES", "0"}, {"SLURM_LOCALID", "0"}},
                "cuda:local",
                "\"cuda:local\" cannot be used: the NVIDIA driver shows no GPU"},
        Refusal{"more_local_ranks_than_gpus",
                {{"VGPU_DEVICES", "3"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "3"}},
                "cuda:local",
                "there are 3 GPUs for local rank 3; start one process for each GPU"},
        Refusal{"too_little_memory", {{"VGPU_MEMORY", "48MiB"}}, "cuda", "not one image fits"}),
    [](const auto& test) { return test.param.name; });

// The loader names the file that it did not find, and takes none from elsewhere.
TEST(CudaRefused, ALibraryThatIsMissingIsNamed) {
  const Recipe recipe;
  const std::filesystem::path program = recipe.folder() / "alone" / "graft";
  std::filesystem::create_directories(program.parent_path());
  std::filesystem::copy_file(GRAFT_PROGRAM, program);
  ChildOptions options;
  options.program = program;
  options.environment["LD_LIBRARY_PATH"] =
      std::filesystem::path(GRAFT_PROGRAM).parent_path().string();
  const Outcome outcome =
      graft_program(recipe.arguments("run", "a", {"--set", "device=cuda"}), options);
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.error, HasSubstr("alone/libgraft_cuda.so: cannot open shared object file"));
}

TEST(CudaRefused, AutoTakesTheCpuAndSaysWhy) {
  const Recipe recipe;
  const CudaOutcome run = run_on_virtual_gpu(
      recipe.arguments("extract", "a", {"--set", "device=auto"}), {{"VGPU_DEVICES", "0"}});
  EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.error;
  EXPECT_THAT(run.outcome.error, HasSubstr("device: CPU"));
  EXPECT_THAT(run.outcome.error, HasSubstr("shows no GPU"));
}

// ---- Calls that fail ----

// A function that frees something. The run goes on if it fails.
bool is_freeing(const std::string& function) {
  return function.find("Free") != std::string::npos ||
         function.find("Destroy") != std::string::npos;
}

// An error code of the function's own library: an invalid value, an internal error.
std::string error_of(const std::string& function) {
  if (function.starts_with("cudnn")) return "4000";
  return function.starts_with("cublas") ? "14" : "1";
}

// A failed call ends the run with exit code 5 and a sentence. Its files are complete, and the next
// run ends as if nothing had happened. (Every single call: tests/backend_cuda.)
TEST(CudaFaults, EachFunctionMayFailOnce) {
  const Recipe recipe;
  const auto arguments = [&](const std::string& name) {
    return recipe.arguments("run", name, {"--set", "device=cuda"});
  };
  const CudaOutcome complete = run_on_virtual_gpu(arguments("complete"));
  ASSERT_EQ(complete.outcome.exit_code, 0) << complete.outcome.error;
  ASSERT_GT(complete.report.calls.size(), 15U);
  int failed_runs = 0;
  for (const auto& [function, calls] : complete.report.calls) {
    const std::string name = "fault " + function;
    const std::string fault =
        function + ":" + std::to_string((calls + 1) / 2) + ":" + error_of(function);
    SCOPED_TRACE(fault);
    const CudaOutcome run = run_on_virtual_gpu(arguments(name), {{"VGPU_FAIL", fault}});
    if (is_freeing(function)) {
      EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.error;
      EXPECT_LE(run.report.errors.size(), 1U) << "what was not freed";
      continue;
    }
    EXPECT_THAT(run.report.errors, IsEmpty());
    EXPECT_THAT(run.outcome.exit_code, ::testing::AnyOf(0, 5)) << run.outcome.error;
    if (run.outcome.exit_code == 0) continue;  // it had another way
    ++failed_runs;
    EXPECT_THAT(lines_of(run.outcome.error).back(), HasSubstr("failed with"));
    // The next run, of every fourth: each would take a minute.
    if (failed_runs % 4 != 1) continue;
    ASSERT_EQ(run_on_virtual_gpu(arguments(name)).outcome.exit_code, 0);
    EXPECT_TRUE(same_results(recipe.output(name), recipe.output("complete")));
  }
  EXPECT_GT(failed_runs, 15);
}

TEST(CudaFaults, AfterAStickyErrorTheRowsThatWereDoneAreKept) {
  const Recipe recipe;
  const auto arguments = [&](const std::string& name) {
    return recipe.arguments("run", name,
                            {"--set", "device=cuda", "--set", "backbone.batch_size=1"});
  };
  ASSERT_EQ(run_on_virtual_gpu(arguments("complete")).outcome.exit_code, 0);
  // Each in the middle of the eight batches of the training images.
  for (const std::string fault : {"cudaGraphLaunch:6:700", "cudaEventSynchronize:5:719"}) {
    SCOPED_TRACE(fault);
    const std::string name = fault.substr(0, fault.find(':'));
    const CudaOutcome run = run_on_virtual_gpu(arguments(name), {{"VGPU_FAIL", fault}});
    EXPECT_EQ(run.outcome.exit_code, 5) << run.outcome.error;
    EXPECT_THAT(run.outcome.error, ::testing::Not(HasSubstr("CPU")));
    EXPECT_FALSE(std::filesystem::exists(recipe.output(name) / "features" / "train.npy"));
    const CudaOutcome next = run_on_virtual_gpu(arguments(name));
    ASSERT_EQ(next.outcome.exit_code, 0) << next.outcome.error;
    EXPECT_THAT(next.outcome.error,
                ::testing::ContainsRegex("continues an interrupted extraction at row [1-7] of 8"));
    EXPECT_TRUE(same_results(recipe.output(name), recipe.output("complete")));
  }
}

}  // namespace
}  // namespace graft::test
