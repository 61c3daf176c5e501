// `graft predict` after a run.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/base/file.h"
#include "tests/program/recipe.h"
#include "tests/support/image_files.h"

namespace graft::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A finished run, and photos to classify in a folder of another name.
class Predict : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(recipe_.run("run").exit_code, 0);
    std::filesystem::create_directories(photos_);
    write_photo(photos_ / "a, \"b\".png", 1, 160, 110, 60);
    write_photo(photos_ / "plain.png", 2, 120, 120, 125);
  }

  Outcome predict(const std::vector<std::string>& more, const ChildOptions& options = {}) const {
    std::vector<std::string> words = {"predict", recipe_.output("run").string()};
    words.insert(words.end(), more.begin(), more.end());
    return graft_program(words, options);
  }

  Recipe recipe_;
  std::filesystem::path photos_ = recipe_.folder() / "new photos";
};

TEST_F(Predict, WritesQuotedCsv) {
  const Outcome outcome =
      predict({(photos_ / "a, \"b\".png").string(), (photos_ / "plain.png").string()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 3U) << outcome.out;
  EXPECT_EQ(lines[0], "path,label,brown,grey,error");
  EXPECT_THAT(lines[1], HasSubstr("a, \"\"b\"\".png\","));
  EXPECT_EQ(lines[1].front(), '"');
  EXPECT_THAT(lines[2], ::testing::MatchesRegex((photos_ / "plain.png").string() +
                                                ",(brown|grey),[01]\\.[0-9]{4},[01]\\.[0-9]{4},"));
  EXPECT_THAT(outcome.error,
              ::testing::ContainsRegex("done in [0-9][0-9a-z. ]*; 2 images classified\n$"));
}

TEST_F(Predict, RefusesOtherPreprocessingThanTheHeadWasTrainedWith) {
  const Outcome outcome = predict({"--set", "data.preprocess=rescale", photos_.string()});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("preprocess changed from caffe to rescale"));
  EXPECT_EQ(outcome.out, "");
}

TEST_F(Predict, ProbabilitiesSumToOneAndTheLabelHasTheLargest) {
  const Outcome outcome = predict({"--json", photos_.string()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 2U) << outcome.out;
  for (const std::string& line : lines) {
    const auto row = nlohmann::json::parse(line);
    const double brown = row.at("probabilities").at("brown");
    const double grey = row.at("probabilities").at("grey");
    EXPECT_NEAR(brown + grey, 1.0, 1e-6);
    EXPECT_EQ(row.at("label"), grey > brown ? "grey" : "brown") << line;
  }
}

TEST_F(Predict, GivesTheSameFromAnyFolderAndForAMovedRun) {
  ChildOptions elsewhere;
  elsewhere.folder = photos_;
  const Outcome absolute = predict({(photos_ / "plain.png").string()});
  const Outcome relative = predict({"plain.png"}, elsewhere);
  ASSERT_EQ(relative.exit_code, 0) << relative.error;
  const auto numbers = [](const std::string& row) { return row.substr(row.find(".png,")); };
  EXPECT_EQ(numbers(lines_of(relative.out).at(1)), numbers(lines_of(absolute.out).at(1)));
  EXPECT_THAT(lines_of(relative.out).at(1), StartsWith("plain.png,"));

  std::filesystem::rename(recipe_.output("run"), recipe_.output("moved"));
  const Outcome moved = graft_program(
      {"predict", recipe_.output("moved").string(), (photos_ / "plain.png").string()});
  EXPECT_EQ(moved.exit_code, 0) << moved.error;
  EXPECT_EQ(moved.out, absolute.out);
}

TEST_F(Predict, AConfigMeansItsOutputFolder) {
  const Outcome by_run = predict({photos_.string()});
  const Outcome by_config = graft_program(recipe_.arguments("predict", "run", {photos_.string()}));
  EXPECT_EQ(by_config.exit_code, 0) << by_config.error;
  EXPECT_EQ(by_config.out, by_run.out);
}

TEST_F(Predict, ABadImageIsALineWithItsReasonAtItsPlace) {
  const std::string broken = (photos_ / "broken.png").string(), none = "none.png",
                    plain = (photos_ / "plain.png").string();
  write_file_whole(broken, "no picture");
  const Outcome csv = predict({plain, broken, none, plain});
  EXPECT_EQ(csv.exit_code, 3);
  const auto rows = lines_of(csv.out);
  ASSERT_EQ(rows.size(), 5U) << csv.out;
  EXPECT_THAT(rows[1], StartsWith(plain + ","));
  EXPECT_THAT(rows[2], ::testing::MatchesRegex(broken + ",,,,\"not a JPEG.*\""))
      << "one column each";
  EXPECT_EQ(rows[3], "none.png,,,,cannot read none.png: there is no such file");
  EXPECT_EQ(rows[4], rows[1]);
  EXPECT_THAT(lines_of(csv.error).back(),
              StartsWith("graft: 2 of 4 images could not be read; the result has the reason"));

  const Outcome json = predict({"--json", plain, broken, none, plain});
  EXPECT_EQ(json.exit_code, 3);
  EXPECT_THAT(json.error, ::testing::Not(HasSubstr("none.png")));
  const auto objects = lines_of(json.out);
  ASSERT_EQ(objects.size(), 4U) << json.out;
  EXPECT_EQ(nlohmann::json::parse(objects[2]),
            (nlohmann::json{{"path", "none.png"},
                            {"error", "cannot read none.png: there is no such file"}}));
  EXPECT_EQ(predict({none}).exit_code, 3);
}

TEST_F(Predict, MoreThanTheClassesIsNoTop) {
  const Outcome outcome = predict({"none.png", "--top", "3"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error, "graft: --top 3: this classifier has 2 classes\n");
}

TEST_F(Predict, TheBestEpochMayBeAskedFor) {
  EXPECT_EQ(predict({"--best", photos_.string()}).exit_code, 0);
}

TEST_F(Predict, AThresholdDecidesBetweenTwoClasses) {
  const std::string photo = (photos_ / "plain.png").string();
  const auto row = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--json", photo};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = predict(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
    return nlohmann::json::parse(outcome.out);
  };
  const nlohmann::json plain = row({});
  const double grey = plain.at("probabilities").at("grey").get<float>();
  ASSERT_GT(grey, 0.0);
  ASSERT_LT(grey, 1.0);
  const auto label_at = [&](double threshold) {
    const nlohmann::json at = row({"--threshold", fmt::format("{}", threshold)});
    EXPECT_EQ(at.at("probabilities"), plain.at("probabilities"));
    return at.at("label").get<std::string>();
  };
  EXPECT_EQ(label_at(0.0), "grey");
  EXPECT_EQ(label_at(1.0), "brown");
  EXPECT_EQ(label_at(0.5), plain.at("label"));
  EXPECT_EQ(label_at(std::nextafter(grey, 0.0)), "grey");
  EXPECT_EQ(label_at(grey), "brown") << "the second class is above the threshold, not at it";
}

TEST_F(Predict, AThresholdOutsideZeroToOneIsRefusedBeforeAnImageIsRead) {
  for (const std::string threshold : {"-0.1", "1.5", "nan", "inf"}) {
    const Outcome outcome = predict({"none.png", "--threshold=" + threshold});
    EXPECT_EQ(outcome.exit_code, 2) << threshold;
    EXPECT_EQ(outcome.error,
              "graft: --threshold " + threshold +
                  ": expected a number from 0 to 1 and two classes; this classifier has 2\n");
  }
}

TEST(PredictThreeClasses, AThresholdIsRefused) {
  const Recipe recipe;
  for (const char* set : {"train", "validation"})
    for (unsigned i = 0; i < 2; ++i)
      write_photo(recipe.folder() / set / "white" / (std::to_string(i) + ".png"), i, 230, 230, 230);
  ASSERT_EQ(recipe.run("run").exit_code, 0);
  const Outcome outcome =
      graft_program({"predict", recipe.output("run").string(), "none.png", "--threshold", "0.4"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.error,
            "graft: --threshold 0.4: expected a number from 0 to 1 and two classes; this "
            "classifier has 3\n");
}

TEST_F(Predict, AReaderThatHasGoneEndsItQuietly) {
  ChildOptions options;
  options.reader_has_gone = true;
  const Outcome outcome = predict({"--quiet", photos_.string()}, options);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.error, "");
}

TEST_F(Predict, AFullDiskUnderTheResultIsExitCode6) {
  ChildOptions options;
  options.standard_output = "/dev/full";
  EXPECT_EQ(predict({photos_.string()}, options).exit_code, 6);
}

TEST(PredictWithoutARun, SaysWhatToDo) {
  const Recipe recipe;
  const Outcome outcome =
      graft_program(recipe.arguments("predict", "none", {(recipe.folder() / "train").string()}));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("`graft run` or `graft train` makes it"));
}

}  // namespace
}  // namespace graft::test
