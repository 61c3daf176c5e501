// A folder of photos, or a list of them, instead of folders that a config names.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/base/file.h"
#include "tests/program/recipe.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;

class Photos : public ::testing::Test {
 protected:
  // The recipe's settings without its folders, and a start in the recipe's folder.
  Outcome graft(std::vector<std::string> words) const {
    const auto config = nlohmann::json::parse(text_of(recipe_.config()));
    for (const char* setting : {"device", "cache", "backbone", "head", "train"})
      words.insert(words.end(), {"--set", fmt::format("{}={}", setting, config[setting].dump())});
    words.insert(words.end(), {"--set", "data.image_size=[48,32]"});
    ChildOptions options;
    options.folder = recipe_.folder();
    return graft_program(words, options);
  }

  Recipe recipe_;
};

TEST_F(Photos, AFolderOfClassesIsSplitTrainedAndUsed) {
  const Outcome run = graft({"run", "train/"});
  ASSERT_EQ(run.exit_code, 0) << run.error;
  const auto output = recipe_.output("runs/train");
  EXPECT_THAT(run.error, HasSubstr("results in runs/train;"));
  const auto config = nlohmann::json::parse(text_of(output / "result/config.json"));
  EXPECT_EQ(config["data"]["train"], (recipe_.folder() / "train").string());
  EXPECT_EQ(config["data"]["validation_split"], 0.2);
  EXPECT_EQ(nlohmann::json::parse(text_of(output / "result/classes.json"))["classes"],
            (std::vector<std::string>{"brown", "grey"}));

  const std::string photo = "validation/grey/photo 0.png";
  const Outcome by_photos = graft({"predict", "train", photo});
  EXPECT_EQ(by_photos.exit_code, 0) << by_photos.error;
  EXPECT_EQ(graft({"predict", "runs/train", photo}).out, by_photos.out);
  EXPECT_EQ(graft({"evaluate", "./train"}).out, run.out);
}

TEST_F(Photos, TheSameSetsGiveTheSameResultsAsFoldersOfAConfigOneFolderOrAList) {
  ASSERT_EQ(recipe_.run("config").exit_code, 0);

  const auto photos = recipe_.folder() / "photos";
  std::filesystem::create_directory(photos);
  std::string list = "split,label,path\n";
  for (const std::string set : {"validation", "train"}) {
    std::filesystem::create_directory_symlink(recipe_.folder() / set, photos / set);
    for (const std::string name : {"grey", "brown"})
      for (const auto& photo : std::filesystem::directory_iterator(recipe_.folder() / set / name))
        list +=
            fmt::format("{0},{1},\"{0}/{1}/{2}\"\n", set, name, photo.path().filename().string());
  }
  write_file_whole(recipe_.folder() / "list.csv", list);

  const Outcome folder = graft({"run", "photos"});
  EXPECT_EQ(folder.exit_code, 0) << folder.error;
  EXPECT_TRUE(same_results(recipe_.output("runs/photos"), recipe_.output("config")));
  const Outcome listed =
      recipe_.run("listed", {"--set", "data.train=" + (recipe_.folder() / "list.csv").string(),
                             "--set", "data.validation="});
  EXPECT_EQ(listed.exit_code, 0) << listed.error;
  EXPECT_TRUE(same_results(recipe_.output("listed"), recipe_.output("config")));
  EXPECT_THAT(text_of(recipe_.output("listed") / "features/train.files.json"),
              HasSubstr("\"train/grey/photo 0.png\""));
}

}  // namespace
}  // namespace graft::test
