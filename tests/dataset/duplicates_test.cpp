// Images that are in both train and validation, or in two classes.

#include "engine/dataset/dataset.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/files.h"
#include "tests/support/image_files.h"
#include "tests/support/recording_observer.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Dataset dataset_of(const std::string& root, const std::vector<std::string>& contents) {
  Dataset dataset;
  dataset.root = root;
  dataset.classes = {"c"};
  for (std::size_t i = 0; i < contents.size(); ++i) {
    dataset.samples.push_back({test::numbered("c/", i, ".png"), 0, digest_of(contents[i])});
  }
  return dataset;
}

// The warnings about these.
std::vector<std::string> warnings(const std::vector<std::string>& train,
                                  const std::vector<std::string>& validation) {
  test::RecordingObserver observer;
  warn_of_shared_images({dataset_of("t", train), dataset_of("v", validation)}, observer);
  return observer.warnings;
}

TEST(SharedImages, EveryPairIsCountedAndNamed) {
  EXPECT_THAT(warnings({"x", "y", "x", "z"}, {"q", "x", "z"}),
              ElementsAre(AllOf(HasSubstr("2 images of validation are also in train"),
                                HasSubstr("(3 pairs)"),
                                HasSubstr(":\n  t/c/0.png = v/c/1.png\n  t/c/2.png = v/c/1.png"
                                          "\n  t/c/3.png = v/c/2.png"))));
}

TEST(SharedImages, CopiesInsideOneSideAreNone) {
  EXPECT_THAT(warnings({"x", "x"}, {"y", "y"}), IsEmpty());
}

TEST(SharedImages, TheWarningNamesTenPairsAndCountsTheRest) {
  std::vector<std::string> contents;
  for (int i = 10; i < 23; ++i) contents.push_back(std::to_string(i));
  EXPECT_THAT(
      warnings(contents, contents),
      ElementsAre(AllOf(HasSubstr("13 images of validation"), HasSubstr("t/c/9.png = v/c/9.png"),
                        Not(HasSubstr("c/10.png")), HasSubstr("and 3 more"))));
}

// The warnings about samples of train and of validation: the class, and the content.
std::vector<std::string> class_warnings(
    const std::vector<std::pair<std::uint32_t, std::string>>& train,
    const std::vector<std::pair<std::uint32_t, std::string>>& validation = {}) {
  Datasets sets;
  sets.train.root = "t";
  sets.validation.root = "v";
  for (auto* set : {&sets.train, &sets.validation}) {
    set->classes = {"cats", "do\x1Bgs", "owls"};
    for (const auto& [label, content] : set == &sets.train ? train : validation)
      set->samples.push_back(
          {test::numbered("", set->samples.size(), ".png"), label, digest_of(content)});
  }
  test::RecordingObserver observer;
  warn_of_shared_images(sets, observer);
  return observer.warnings;
}

TEST(ContradictingClasses, ArePairsWithTheirClasses) {
  EXPECT_THAT(
      class_warnings({{0, "x"}, {1, "y"}, {1, "x"}, {1, "y"}}),
      ElementsAre(AllOf(HasSubstr("1 image is in another class too"),
                        HasSubstr(":\n  t/0.png = t/2.png (class cats, class do\\x1bgs)"))));
  EXPECT_THAT(class_warnings({{0, "x"}, {2, "x"}, {0, "x"}, {1, "x"}}),
              ElementsAre(AllOf(HasSubstr("2 images are"), HasSubstr("t/0.png = t/1.png"),
                                HasSubstr("t/0.png = t/3.png"))));
}

TEST(ContradictingClasses, AreFoundAcrossTheSets) {
  EXPECT_THAT(class_warnings({{0, "x"}}, {{0, "x"}, {1, "x"}}),
              ElementsAre(HasSubstr("2 images of validation are also in train"),
                          HasSubstr("t/0.png = v/1.png (class cats, class do")));
  EXPECT_THAT(class_warnings({{0, "x"}}, {{1, "y"}, {2, "y"}}),
              ElementsAre(HasSubstr("v/0.png = v/1.png (class do")));
}

TEST(ContradictingClasses, TheWarningNamesTenPairsAndCountsTheRest) {
  std::vector<std::pair<std::uint32_t, std::string>> train;
  for (int i = 0; i < 26; ++i) train.emplace_back(i % 2, std::to_string(i / 2));
  EXPECT_THAT(class_warnings(train),
              ElementsAre(AllOf(HasSubstr("13 images are"), HasSubstr("t/18.png = t/19.png"),
                                Not(HasSubstr("t/20.png")), HasSubstr("and 3 more"))));
}

TEST(SharedImages, AreFoundByContentInRealFolders) {
  const test::TemporaryFolder folder;
  test::write_png(folder / "train/a/1.png", 1);
  test::write_png(folder / "train/b/2.png", 2);
  test::write_png(folder / "validation/a/3.png", 3);
  test::write_png(folder / "train/a/original.png", 99);
  test::write_png(folder / "validation/b/copy.png", 99);
  DataConfig data;
  data.train = folder / "train";
  data.validation = folder / "validation";
  test::RecordingObserver observer;
  read_datasets(data, 2, observer, {});
  ASSERT_EQ(observer.warnings.size(), 2U);
  EXPECT_THAT(observer.warnings[0], HasSubstr("train/a/original.png = "));
  EXPECT_THAT(observer.warnings[0], HasSubstr("validation/b/copy.png"));
  EXPECT_THAT(observer.warnings[1], HasSubstr("validation/b/copy.png (class a, class b)"));
}

}  // namespace
}  // namespace graft
