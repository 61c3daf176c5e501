// The recipe end to end, as a user runs it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/base/file.h"
#include "engine/base/text.h"
#include "tests/program/recipe.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

TEST(Run, MakesEverythingAndPrintsTheTable) {
  const Recipe recipe;
  const Outcome outcome = recipe.run("a");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  for (const std::string name :
       {"features/train.npy", "features/validation.npy", "features/train.labels.npy",
        "features/validation.labels.npy", "features/train.files.json",
        "features/validation.files.json", "run.log", "result/checkpoint.safetensors",
        "result/head.safetensors", "result/head_best.safetensors", "result/history.json",
        "result/history.csv", "result/config.json", "result/classes.json", "result/curves.svg",
        "result/evaluation.json", "result/report.html"})
    EXPECT_TRUE(std::filesystem::is_regular_file(recipe.output("a") / name)) << name;
  EXPECT_THAT(outcome.out, HasSubstr("brown"));
  EXPECT_THAT(outcome.out, HasSubstr("grey"));
  EXPECT_EQ(lines_of(text_of(recipe.result("a") / "history.csv")).size(), 3U)
      << "a head, two epochs";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(recipe.output("a")))
    EXPECT_NE(entry.path().extension(), ".partial") << entry.path();
}

TEST(Run, NamesDeviceAndWeightsOnceAndEndsWithTheNextCommand) {
  const Recipe recipe;
  ChildOptions options;
  options.folder = recipe.folder();
  const auto last_line = [](const Outcome& outcome) { return lines_of(outcome.error).back(); };
  const Outcome run = graft_program(recipe.arguments("run", "a"), options);
  ASSERT_EQ(run.exit_code, 0) << run.error;
  EXPECT_THAT(run.error, MatchesRegex("device: CPU[^\n]*; weights: [^\n]*\\.safetensors\n.*"));
  EXPECT_EQ(run.error.find("weights: ", run.error.find("weights: ") + 1), std::string::npos);
  EXPECT_THAT(last_line(run),
              MatchesRegex("done in [0-9][0-9a-z. ]*; results in a; next: graft predict a PHOTO"));
  EXPECT_THAT(text_of(recipe.output("a") / "run.log"), HasSubstr(last_line(run)));
  // The next commands run as they are printed: here from another folder, with quotes.
  EXPECT_THAT(last_line(graft_program(recipe.arguments("extract", "b c"))),
              HasSubstr("next: graft train '" + recipe.output("b c").string() + "'"));
  const Outcome train = graft_program({"train", "b c"}, options);
  EXPECT_THAT(last_line(train), HasSubstr("results in 'b c'; next: graft predict 'b c' PHOTO"));
  EXPECT_THAT(last_line(graft_program({"evaluate", "b c"}, options)),
              MatchesRegex("done in [0-9][0-9a-z. ]*; next: graft predict 'b c' PHOTO"));
}

TEST(Run, StandardOutputHasTheResultAlone) {
  const Recipe recipe;
  const Outcome outcome = recipe.run("a", {"--json", "--quiet"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const auto evaluation = nlohmann::json::parse(outcome.out);
  EXPECT_GE(evaluation.at("accuracy").get<double>(), 0.0);
  EXPECT_EQ(outcome.error, "");
}

TEST(Run, WritesTheEffectiveConfigThatRunsAgain) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a", {"--set", "seed=5"}).exit_code, 0);
  const auto config = nlohmann::json::parse(text_of(recipe.result("a") / "config.json"));
  EXPECT_EQ(config.at("seed"), 5);
  EXPECT_EQ(config.at("output"), recipe.output("a").string());
  ASSERT_EQ(
      graft_program({"run", recipe.output("a").string(), "--output", recipe.output("b").string()})
          .exit_code,
      0);
  EXPECT_TRUE(same_results(recipe.output("b"), recipe.output("a")));
}

TEST(Run, ASecondTimeGivesTheSameBytes) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  ASSERT_EQ(recipe.run("b").exit_code, 0);
  EXPECT_TRUE(same_results(recipe.output("b"), recipe.output("a")));
  const auto written = std::filesystem::last_write_time(recipe.output("a") / "features/train.npy");
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  EXPECT_TRUE(same_results(recipe.output("a"), recipe.output("b")));
  EXPECT_EQ(std::filesystem::last_write_time(recipe.output("a") / "features/train.npy"), written)
      << "the features were there";
}

TEST(Run, AutoSaysWhatItTook) {
  const Recipe recipe;
  const Outcome outcome = recipe.run(
      "auto",
      {"--device", "auto", "--set", "backbone.batch_size=auto", "--set", "pipeline.depth=2"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr(" (chosen by \"auto\"); backbone: "));
  const auto used = nlohmann::json::parse(text_of(recipe.result("auto") / "config.json"));
  EXPECT_EQ(used.at("backbone").at("precision"), "auto");
  EXPECT_EQ(used.at("backbone").at("batch_size"), "auto");
  if (outcome.error.find("device: CPU") != std::string::npos) {
    EXPECT_THAT(outcome.error, HasSubstr("\"device\": \"auto\" takes no GPU: "));
    EXPECT_THAT(outcome.error, HasSubstr("backbone: fp32 (chosen by \"auto\"), batches of 32 "
                                         "(chosen by \"auto\"); weights: "));
    ASSERT_EQ(recipe.run("cpu").exit_code, 0);
    EXPECT_TRUE(same_results(recipe.output("auto"), recipe.output("cpu")));
  }
}

// What was the default before "auto" was. The key of the rows is the same.
TEST(Run, RowsOfAConfigThatNamesPrecisionAndBatchAreFoundByAuto) {
  const Recipe recipe;
  const auto extract = [&](const std::string& precision, const std::string& batch) {
    return graft_program(recipe.arguments(
        "extract", "a",
        {"--set", "backbone.precision=" + precision, "--set", "backbone.batch_size=" + batch}));
  };
  const auto settings = [&] {
    return nlohmann::json::parse(text_of(recipe.output("a") / "features/train.files.json"))
        .at("key");
  };
  ASSERT_EQ(extract("fp32", "32").exit_code, 0);
  const auto before = settings();
  EXPECT_THAT(before.dump(), ::testing::ContainsRegex("cpu (fused )?fp32 winograd 2\""));
  const Outcome found = extract("auto", "auto");
  ASSERT_EQ(found.exit_code, 0) << found.error;
  EXPECT_THAT(found.error, HasSubstr("features/train: 0 computed, 8 reused"));
  EXPECT_EQ(settings(), before);
}

TEST(Run, FastDecodeIsRecordedAndAskedForAgain) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a", {"--set", "data.fast_decode=true"}).exit_code, 0);
  EXPECT_THAT(text_of(recipe.output("a") / "features/train.files.json"),
              HasSubstr("\"fast_decode\":\"true\""));
  const std::string photo = (recipe.folder() / "train/grey/photo 0.png").string();
  EXPECT_EQ(graft_program({"predict", recipe.output("a").string(), photo}).exit_code, 0);
  const Outcome other = graft_program(
      {"predict", recipe.output("a").string(), photo, "--set", "data.fast_decode=false"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.error, HasSubstr("fast_decode changed from true to false"));
}

TEST(Run, TheSeedMattersAndTheNumberOfThreadsDoesNot) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  ASSERT_EQ(recipe.run("one", {"--set", "threads=1"}).exit_code, 0);
  ASSERT_EQ(recipe.run("three", {"--threads", "3"}).exit_code, 0);
  ASSERT_EQ(recipe.run("seed", {"--set", "seed=2"}).exit_code, 0);
  EXPECT_TRUE(same_results(recipe.output("one"), recipe.output("a")));
  EXPECT_TRUE(same_results(recipe.output("three"), recipe.output("a")));
  EXPECT_NE(text_of(recipe.result("seed") / "head.safetensors"),
            text_of(recipe.result("a") / "head.safetensors"));
}

TEST(Run, ItsPartsGiveTheSameBytes) {
  const Recipe recipe;
  const Outcome complete = recipe.run("complete");
  ASSERT_EQ(complete.exit_code, 0);
  EXPECT_EQ(graft_program(recipe.arguments("extract", "parts")).out, "");
  const Outcome trained = graft_program(recipe.arguments("train", "parts"));
  ASSERT_EQ(trained.exit_code, 0) << trained.error;
  EXPECT_EQ(trained.out, complete.out);
  EXPECT_TRUE(same_results(recipe.output("parts"), recipe.output("complete")));
  for (const char* name : {"evaluation.json", "classes.json", "curves.svg", "report.html"}) {
    EXPECT_EQ(replace_all(text_of(recipe.result("parts") / name), "parts", "complete"),
              text_of(recipe.result("complete") / name))
        << "only the name of the run is different";
  }
  EXPECT_EQ(graft_program({"evaluate", recipe.output("parts").string()}).out, complete.out);
}

TEST(Run, APhotoThatIsGoneIsShownInWords) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  const auto page = [&] { return text_of(recipe.result("a") / "report.html"); };
  EXPECT_THAT(page(), HasSubstr("data:image/jpeg;base64,"));
  EXPECT_THAT(page(), Not(HasSubstr("cannot be read now")));
  const auto config = nlohmann::json::parse(text_of(recipe.result("a") / "config.json"));
  std::filesystem::remove_all(config.at("data").at("validation").get<std::string>());
  ASSERT_EQ(graft_program({"train", recipe.output("a").string()}).exit_code, 0);
  EXPECT_THAT(page(), Not(HasSubstr("data:image/jpeg;base64,")));
  EXPECT_THAT(page(), HasSubstr("cannot be read now"));
}

TEST(Run, TrainingWithoutFeaturesSaysWhatToDo) {
  const Recipe recipe;
  const Outcome outcome = graft_program(recipe.arguments("train", "none"));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.error, HasSubstr("extract"));
}

TEST(Run, WeightsThatAreNoneAreExitCode4) {
  const Recipe recipe;
  write_file_whole(recipe.folder() / "bad.safetensors", "no weights");
  const Outcome outcome = recipe.run(
      "a", {"--set", "backbone.weights=" + (recipe.folder() / "bad.safetensors").string()});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.error, HasSubstr("bad.safetensors"));
}

TEST(Run, MissingWeightsAreNamedWithTheScriptThatFetchesThem) {
  const Recipe recipe;
  const Outcome outcome = recipe.run("a", {"--set", "backbone.weights=/none/vgg16.safetensors"});
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(lines_of(outcome.error).back(),
              HasSubstr("no weights file /none/vgg16.safetensors; tools/fetch_weights.sh"));
}

TEST(Run, AGpuThatIsNotThereIsExitCode5) {
  if (std::filesystem::exists("/dev/nvidiactl")) GTEST_SKIP() << "this machine has a GPU";
  const Recipe recipe;
  const Outcome outcome = recipe.run("a", {"--device", "cuda"});
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(lines_of(outcome.error).back(), ::testing::StartsWith("graft: "));
}

TEST(Run, AnOutputThatCannotBeAFolderIsExitCode6) {
  const Recipe recipe;
  write_file_whole(recipe.folder() / "file", "");
  const Outcome outcome = recipe.run("file/below");
  EXPECT_EQ(outcome.exit_code, 6);
  EXPECT_THAT(outcome.error, HasSubstr("file/below"));
}

TEST(Run, ABrokenPhotoIsNamedOrSkipped) {
  const Recipe recipe;
  write_file_whole(recipe.folder() / "train/grey/broken.png", "no picture");
  const Outcome stopped = recipe.run("a");
  EXPECT_EQ(stopped.exit_code, 3);
  EXPECT_THAT(stopped.error, HasSubstr("broken.png"));
  const Outcome skipped = recipe.run("a", {"--set", "data.on_bad_image=skip"});
  ASSERT_EQ(skipped.exit_code, 0) << skipped.error;
  EXPECT_THAT(skipped.error, HasSubstr("broken.png"));
}

TEST(Run, KeepsALog) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a", {"--quiet"}).exit_code, 0);
  const std::string log = text_of(recipe.output("a") / "run.log");
  EXPECT_THAT(log, HasSubstr("graft run"));
  EXPECT_THAT(log, HasSubstr("features/train"));
  EXPECT_THAT(log, HasSubstr(" done"));
}

TEST(CrossValidation, ComputesFeaturesOnceAndWritesItsFigures) {
  const Recipe recipe;
  const auto crossvalidate = [&](const std::vector<std::string>& more) {
    return graft_program(recipe.arguments("crossvalidate", "a", more));
  };
  const Outcome first = crossvalidate({"--folds", "3", "--seeds", "2"});
  ASSERT_EQ(first.exit_code, 0) << first.error;
  EXPECT_THAT(first.error, HasSubstr("8 computed"));
  const std::vector<std::string> lines = lines_of(first.out);
  ASSERT_EQ(lines.size(), 9U) << first.out;  // heads, 6 folds, mean, deviation
  EXPECT_THAT(lines[7], MatchesRegex("mean +[01]\\.[0-9]{4} .*"));
  const std::string written = text_of(recipe.output("a") / "crossvalidation.json");
  const auto json = nlohmann::json::parse(written);
  EXPECT_EQ(json["folds"].size(), 6U);
  EXPECT_EQ(json["folds"][0]["images"], 4);
  EXPECT_EQ(json["config"]["output"], recipe.output("a").string());
  const Outcome again = crossvalidate({"--folds", "3", "--seeds", "2", "--json"});
  EXPECT_THAT(again.error, HasSubstr("0 computed, 8 reused"));
  EXPECT_EQ(again.out, written);
  // Six photos of each class.
  const Outcome refused = crossvalidate({"--folds", "7"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.error, HasSubstr("has 6 different images, fewer than the 7 folds"));
}

}  // namespace
}  // namespace graft::test
