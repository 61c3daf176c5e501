// Layers, pooling, normalisation and views through the program: what a run stores, and that training,
// evaluation and prediction agree.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "engine/features/npy.h"
#include "tests/program/recipe.h"

namespace graft::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The settings of configs/solar_cells.json.
const std::vector<std::string> pooled_views = {
    "--set", R"(data.views=["original","rotate180"])",
    "--set", R"(features.layers=["block3","block4","block5"])",
    "--set", "features.pooling=average_max",
    "--set", "features.normalize=standard"};

// File name without its folder → label.
std::map<std::string, std::string> predictions(const std::filesystem::path& run,
                                               const std::filesystem::path& photos) {
  const Outcome outcome = graft_program({"predict", run.string(), "--json", photos.string()});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  std::map<std::string, std::string> labels;
  for (const std::string& line : lines_of(outcome.out)) {
    const auto json = nlohmann::json::parse(line);
    const std::filesystem::path path = json.at("path").get<std::string>();
    labels[path.lexically_relative(photos).string()] = json.at("label");
  }
  return labels;
}

TEST(PooledViews, AreRowsOfColumnsAndOneAnswerAPhoto) {
  const Recipe recipe;
  const Outcome outcome = recipe.run("a", pooled_views);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(NpyFile(recipe.output("a") / "features/train.npy").header().shape,
              ElementsAre(16, 2560));
  EXPECT_THAT(NpyFile(recipe.output("a") / "features/train.labels.npy").header().shape,
              ElementsAre(16));
  const auto evaluation = nlohmann::json::parse(text_of(recipe.result("a") / "evaluation.json"));
  const auto history = nlohmann::json::parse(text_of(recipe.result("a") / "history.json"));
  EXPECT_EQ(evaluation.at("accuracy"), history.at("history").at("val_accuracy").back());
  EXPECT_EQ(evaluation.at("log_loss"), history.at("history").at("val_loss").back());

  std::map<std::string, std::string> wrong;
  for (const auto& mistake : evaluation.at("mistakes"))
    wrong[mistake.at("file")] = mistake.at("predicted");
  const auto predicted = predictions(recipe.output("a"), recipe.folder() / "validation");
  EXPECT_EQ(predicted.size(), 4U);
  for (const auto& [file, label] : predicted) {
    const auto mistake = wrong.find(file);
    EXPECT_EQ(label, mistake != wrong.end() ? mistake->second : file.substr(0, file.find('/')))
        << file;
  }
}

TEST(PooledViews, GiveTheSameBytesForAnyNumberOfThreads) {
  const Recipe recipe;
  for (const std::string threads : {"1", "3"}) {
    std::vector<std::string> words = pooled_views;
    words.insert(words.end(), {"--threads", threads});
    ASSERT_EQ(recipe.run("threads " + threads, words).exit_code, 0);
  }
  EXPECT_TRUE(same_results(recipe.output("threads 1"), recipe.output("threads 3")));
}

TEST(BadInput, IsRefusedBeforeTheFeaturesAreComputed) {
  const Recipe recipe;
  const auto refused = [&](const std::string& command, const std::vector<std::string>& words) {
    Outcome outcome = graft_program(recipe.arguments(command, "a", words));
    EXPECT_FALSE(std::filesystem::exists(recipe.output("a") / "features")) << outcome.error;
    return outcome;
  };
  const Outcome weight = refused("run", {"--set", "train.class_weights={\"red\": 2}"});
  EXPECT_EQ(weight.exit_code, 2);
  EXPECT_THAT(weight.error, HasSubstr("there is no class \"red\"; the classes are brown, grey"));
  const Outcome folds = refused("crossvalidate", {"--folds", "7"});
  EXPECT_EQ(folds.exit_code, 3);
  EXPECT_THAT(folds.error, HasSubstr("has 6 different images, fewer than the 7 folds"));
  const Outcome pooling = refused("run", {"--set", "features.layers=[\"block1\",\"block5\"]"});
  EXPECT_EQ(pooling.exit_code, 2);
  EXPECT_THAT(pooling.error, HasSubstr("more than one layer needs a features.pooling"));
}

// Also where the features have as many rows and columns.
TEST(PooledViews, FeaturesOfOtherSettingsAreNotTrainedOn) {
  const Recipe recipe;
  const std::vector<std::string> two_views = {"--set", R"(data.views=["original","horizontal"])"};
  ASSERT_EQ(recipe.run("a", two_views).exit_code, 0);
  const std::pair<std::string, std::string> others[] = {
      {R"(data.views=["original"])",
       R"(data.views changed from ["original","horizontal"] to ["original"])"},
      {R"(data.views=["original","vertical"])", R"(to ["original","vertical"])"},
      {"data.preprocess=rescale", R"(data.preprocess changed from "caffe" to "rescale")"}};
  for (const auto& [setting, change] : others) {
    std::vector<std::string> words = two_views;
    words.insert(words.end(), {"--set", setting});
    const Outcome outcome = graft_program(recipe.arguments("train", "a", words));
    EXPECT_EQ(outcome.exit_code, 3);
    EXPECT_THAT(outcome.error, HasSubstr(change));
    EXPECT_THAT(outcome.error, HasSubstr("`graft run` extracts these and trains"));
  }
  EXPECT_EQ(graft_program(recipe.arguments("train", "a", two_views)).exit_code, 0);
}

TEST(PooledViews, AnotherLayerIsExtractedAgainAndSaysWhy) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  const Outcome outcome = recipe.run("a", {"--set", "features.layers=[\"block4\"]"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("layers changed from block5 to block4"));
}

}  // namespace
}  // namespace graft::test
