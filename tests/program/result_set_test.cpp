// A result is one set of files: the old one until the new one is complete, and only of what was used.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/base/file.h"
#include "engine/weights/vgg16_weights.h"
#include "tests/program/recipe.h"
#include "tests/support/files.h"
#include "tests/support/image_files.h"

namespace graft::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

using Files = std::map<std::string, std::string>;

// Path → content of each file below the folder, but the log and the lock.
Files files_below(const fs::path& folder) {
  Files files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder);
    if (entry.is_regular_file() && name != "run.log" && name != ".lock.exclusive")
      files[name] = text_of(entry.path());
  }
  return files;
}

// What a user gets from the run's classifier.
std::string answers(const Recipe& recipe) {
  const std::string run = recipe.output("a").string();
  const Outcome evaluated = graft_program({"evaluate", run, "--json"});
  const Outcome predicted =
      graft_program({"predict", run, (recipe.folder() / "validation").string()});
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.error;
  EXPECT_EQ(predicted.exit_code, 0) << predicted.error;
  return evaluated.out + predicted.out;
}

const std::vector<std::string> other_run = {"--set", "seed=2", "--set", "train.epochs=60"};

TEST(ResultSet, StaysCompleteAndUsableUntilTheNewOneIsComplete) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  const std::string answers_before = answers(recipe);
  const Files before = files_below(recipe.result("a"));
  const auto in_next = [&](const char* name) {
    return fs::exists(recipe.output("a") / "next" / name);
  };
  for (const int signal : {SIGINT, SIGKILL}) {
    Child child(recipe.arguments("train", "a", other_run));
    ASSERT_TRUE(child.wait_until([&] { return in_next("checkpoint.safetensors"); }));
    child.signal(SIGSTOP);
    EXPECT_EQ(answers(recipe), answers_before) << "while another process trains";
    child.signal(signal);
    child.signal(SIGCONT);
    EXPECT_EQ(child.wait().exit_code, signal == SIGINT ? 130 : 128 + SIGKILL);
    EXPECT_EQ(files_below(recipe.result("a")), before);
    EXPECT_EQ(answers(recipe), answers_before);
  }
  // The finished run, asked for again, leaves the unfinished one alone; that goes on.
  const Outcome again = recipe.run("a");
  EXPECT_EQ(again.exit_code, 0) << again.error;
  EXPECT_EQ(files_below(recipe.result("a")), before);
  const Outcome resumed = graft_program(recipe.arguments("train", "a", other_run));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.error;
  EXPECT_THAT(resumed.error, HasSubstr("goes on after epoch"));
  EXPECT_FALSE(fs::exists(recipe.output("a") / "next"));
  ASSERT_EQ(recipe.run("b", other_run).exit_code, 0);
  EXPECT_TRUE(same_results(recipe.output("a"), recipe.output("b")));
  const auto config = nlohmann::json::parse(text_of(recipe.result("a") / "config.json"));
  EXPECT_EQ(config["seed"], 2);
}

TEST(ResultSet, AFinishedRunIsWrittenAgainWithTheSameBytesAndMendsWhatWasDamaged) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  const Files before = files_below(recipe.output("a"));
  write_file_whole(recipe.result("a") / "head.safetensors", "damaged");
  fs::remove(recipe.result("a") / "report.html");
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  EXPECT_EQ(files_below(recipe.output("a")), before);
}

TEST(ResultSet, MoreEpochsGoOnFromTheFinishedSet) {
  const Recipe recipe;
  const std::vector<std::string> constant = {"--set", "train.optimizer.schedule=constant"};
  std::vector<std::string> more = constant;
  more.insert(more.end(), {"--set", "train.epochs=4"});
  ASSERT_EQ(recipe.run("a", constant).exit_code, 0);
  const Outcome outcome = graft_program(recipe.arguments("train", "a", more));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("goes on after epoch 2 of 4"));
  ASSERT_EQ(recipe.run("b", more).exit_code, 0);
  EXPECT_TRUE(same_results(recipe.output("a"), recipe.output("b")));
}

TEST(ResultSet, ARefusedTrainingChangesNothingAndNamesTheSettings) {
  const Recipe recipe;
  ASSERT_EQ(recipe.run("a").exit_code, 0);
  const Files before = files_below(recipe.output("a"));
  const fs::path train = recipe.folder() / "train";
  const std::pair<std::string, std::string> changes[] = {
      {"data.validation=" + train.string(), "data.validation changed from "},
      {"data.image_size=[32,48]", "data.image_size changed from [48,32] to [32,48]"},
      {"data.exif_orientation=true", "data.exif_orientation changed from false to true"},
      {"data.on_bad_image=skip", R"(data.on_bad_image changed from "stop" to "skip")"},
      {"backbone.weights=/none", R"(to "/none")"},
      {"backbone.precision=fp16", R"(backbone.precision changed from "auto" to "fp16")"}};
  for (const auto& [setting, change] : changes) {
    const Outcome outcome = graft_program(recipe.arguments("train", "a", {"--set", setting}));
    EXPECT_EQ(outcome.exit_code, 3) << outcome.error;
    EXPECT_THAT(lines_of(outcome.error).back(), HasSubstr(change));
    EXPECT_EQ(files_below(recipe.output("a")), before) << setting;
  }
}

TEST(ResultSet, OtherWeightsAtTheSamePathAreNoticed) {
  const Recipe recipe;
  const std::string file = (recipe.folder() / "weights.safetensors").string();
  const auto config = nlohmann::json::parse(text_of(recipe.config()));
  Vgg16Weights weights = load_vgg16_weights(config["backbone"]["weights"].get<std::string>());
  save_vgg16_weights(file, weights);
  const std::vector<std::string> more = {"--set", "backbone.weights=" + file};
  ASSERT_EQ(recipe.run("a", more).exit_code, 0);
  const Files before = files_below(recipe.output("a"));
  weights.layers[0].bias[0] += 1.0F;
  save_vgg16_weights(file, weights);
  const Outcome trained = graft_program(recipe.arguments("train", "a", more));
  EXPECT_EQ(trained.exit_code, 3);
  EXPECT_THAT(trained.error, HasSubstr("the content of backbone.weights changed"));
  const Outcome evaluated = graft_program({"evaluate", recipe.output("a").string()});
  EXPECT_EQ(evaluated.exit_code, 2);
  EXPECT_THAT(evaluated.error, HasSubstr("the weights changed"));
  EXPECT_EQ(files_below(recipe.output("a")), before);
}

TEST(ResultSet, IsRefusedAmongImagesBehindALink) {
  const Recipe recipe;
  fs::create_directories(recipe.folder() / "outside");
  fs::rename(recipe.folder() / "train/grey", recipe.folder() / "outside/grey");
  fs::create_directory_symlink(recipe.folder() / "outside/grey", recipe.folder() / "train/grey");
  const Outcome outcome = recipe.run("outside/grey/a");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("this is in the folder of images"));
}

TEST(ResultSet, AFolderThatHasOnlyFeaturesIsAConfigToo) {
  const Recipe recipe;
  ASSERT_EQ(graft_program(recipe.arguments("extract", "a", {"--set", "seed=7"})).exit_code, 0);
  ASSERT_EQ(graft_program({"train", recipe.output("a").string()}).exit_code, 0);
  EXPECT_THAT(text_of(recipe.result("a") / "config.json"), HasSubstr("\"seed\": 7,"));
}

// --- evaluate -----------------------------------------------------------------------------------

class EvaluateOther : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(recipe_.run("a").exit_code, 0);
    fs::copy(recipe_.folder() / "validation", other_, fs::copy_options::recursive);
    before_ = files_below(recipe_.output("a"));
  }
  void TearDown() override {
    EXPECT_EQ(files_below(recipe_.output("a")), before_) << "evaluate writes nothing there";
  }
  Outcome evaluate(std::vector<std::string> more) const {
    more.insert(more.begin(), {"evaluate", recipe_.output("a").string()});
    return graft_program(more);
  }

  const Recipe recipe_;
  const fs::path other_ = recipe_.folder() / "other";
  const std::string set_other_ = "data.validation=" + other_.string();
  Files before_;
};

TEST_F(EvaluateOther, EvaluatesThePhotosThatAreAskedForAsTrainingDoes) {
  const Outcome copy = evaluate({"--set", set_other_, "--json"});
  EXPECT_EQ(copy.exit_code, 0) << copy.error;
  EXPECT_EQ(copy.out, text_of(recipe_.result("a") / "evaluation.json")) << "the same photos";
  write_photo(other_ / "brown/new 1.png", 1, 160, 110, 60);
  write_photo(other_ / "brown/new 2.png", 2, 160, 110, 60);
  fs::remove_all(recipe_.folder() / "train");
  const fs::path file = recipe_.folder() / "other.json";
  const Outcome more = evaluate({"--set", set_other_, "-o", file.string()});
  ASSERT_EQ(more.exit_code, 0) << more.error;
  EXPECT_THAT(more.out, HasSubstr("brown"));
  EXPECT_EQ(nlohmann::json::parse(text_of(file)).at("images"), 6);
  EXPECT_THAT(more.error, HasSubstr("the features are computed now and not stored: "
                                    "data.validation changed from "));
}

TEST_F(EvaluateOther, ComputesWhatIsNotStored) {
  const Outcome stored = evaluate({"--json"});
  fs::rename(recipe_.output("a") / "features", recipe_.folder() / "away");
  const Outcome computed = evaluate({"--json"});
  fs::rename(recipe_.folder() / "away", recipe_.output("a") / "features");
  EXPECT_EQ(computed.exit_code, 0) << computed.error;
  EXPECT_EQ(computed.out, stored.out);
}

TEST_F(EvaluateOther, RefusesWhatDoesNotFitTheClassifier) {
  const Outcome size = evaluate({"--set", "data.image_size=[64,64]"});
  EXPECT_EQ(size.exit_code, 2);
  EXPECT_THAT(size.error, HasSubstr("image_size changed from 48x32 to 64x64"));
  fs::rename(other_ / "grey", other_ / "white");
  const Outcome classes = evaluate({"--set", set_other_});
  EXPECT_EQ(classes.exit_code, 3);
  EXPECT_THAT(classes.error, HasSubstr("was trained for the classes brown, grey, and the images "
                                       "have brown, white"));
  const std::string config = (recipe_.result("a") / "config.json").string();
  EXPECT_EQ(evaluate({"-o", config}).exit_code, 2);
}

TEST_F(EvaluateOther, RefusesASettingThatOnlyTrainingUses) {
  for (const char* setting : {"seed=5", "head.hidden=[8]", "train.class_weights=balanced",
                              "features.normalize=standard"}) {
    const Outcome outcome =
        graft_program({"evaluate", recipe_.output("a").string(), "--set", setting});
    EXPECT_EQ(outcome.exit_code, 2) << setting;
    EXPECT_THAT(outcome.error, HasSubstr("only training uses this key")) << setting;
  }
}

TEST_F(EvaluateOther, SkipsABadPhotoWhereTheConfigSaysSo) {
  write_bytes(other_ / "brown/bad.png", png_with_damaged_pixels(1));
  EXPECT_EQ(evaluate({"--set", set_other_}).exit_code, 3);
  const Outcome skipped =
      evaluate({"--set", set_other_, "--set", "data.on_bad_image=skip", "--json"});
  EXPECT_EQ(skipped.exit_code, 0) << skipped.error;
  EXPECT_THAT(skipped.error, HasSubstr("bad.png could not be decoded and is skipped"));
  EXPECT_EQ(nlohmann::json::parse(skipped.out).at("images"), 4);
}

}  // namespace
}  // namespace graft::test
