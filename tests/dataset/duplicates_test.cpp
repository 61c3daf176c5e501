// Pictures that stand in both train and validation.

#include "engine/dataset/duplicates.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/files.h"
#include "tests/support/image_files.h"
#include "tests/support/recording_observer.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::HasSubstr;
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

TEST(SharedImages, CountsEveryPairAndNamesTheFirst) {
  const Datasets datasets{dataset_of("t", {"x", "y", "x", "z"}), dataset_of("v", {"q", "x", "z"})};
  const SharedImages shared = find_shared_images(datasets, 2);
  EXPECT_EQ(shared.pairs, 3U);
  EXPECT_EQ(shared.validation, 2U);
  ASSERT_EQ(shared.named.size(), 2U);
  EXPECT_EQ(shared.named[0], std::make_pair(std::size_t{0}, std::size_t{1}));
  EXPECT_EQ(shared.named[1], std::make_pair(std::size_t{2}, std::size_t{1}));
}

TEST(SharedImages, TwinsInsideOneSideAreNoMatter) {
  const Datasets datasets{dataset_of("t", {"x", "x"}), dataset_of("v", {"y", "y"})};
  EXPECT_EQ(find_shared_images(datasets, 10).pairs, 0U);
  test::RecordingObserver observer;
  warn_of_shared_images(datasets, observer);
  EXPECT_TRUE(observer.warnings.empty());
}

TEST(SharedImages, TheWarningNamesTenPairsAndCountsTheRest) {
  std::vector<std::string> contents;
  for (int i = 10; i < 23; ++i) contents.push_back(std::to_string(i));
  const Datasets datasets{dataset_of("t", contents), dataset_of("v", contents)};
  test::RecordingObserver observer;
  warn_of_shared_images(datasets, observer);
  ASSERT_EQ(observer.warnings.size(), 1U);
  EXPECT_THAT(observer.warnings[0], HasSubstr("13 images of validation stand also in train"));
  EXPECT_THAT(observer.warnings[0], HasSubstr("t/c/9.png = v/c/9.png"));
  EXPECT_THAT(observer.warnings[0], Not(HasSubstr("c/10.png")));
  EXPECT_THAT(observer.warnings[0], HasSubstr("and 3 more"));
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
  ASSERT_EQ(observer.warnings.size(), 1U);
  EXPECT_THAT(observer.warnings[0], HasSubstr("train/a/original.png = "));
  EXPECT_THAT(observer.warnings[0], HasSubstr("validation/b/copy.png"));
}

}  // namespace
}  // namespace graft
