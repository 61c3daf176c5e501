// validation_split: by content, stable, both sides filled.

#include "engine/dataset/split.h"

#include <gmock/gmock.h>

#include <set>
#include <string>

#include "engine/base/error.h"
#include "tests/support/files.h"
#include "tests/support/image_files.h"
#include "tests/support/recording_observer.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using ::testing::HasSubstr;

Dataset made_up(std::size_t images_a_class, std::size_t first = 0) {
  Dataset all;
  all.root = "photos";
  all.classes = {"cats", "dogs"};
  for (std::uint32_t label = 0; label < 2; ++label) {
    for (std::size_t i = first; i < first + images_a_class; ++i) {
      const std::string file = test::numbered(all.classes[label] + "/", i, ".png");
      all.samples.push_back({file, label, digest_of(file)});
    }
  }
  return all;
}

// A digest at this position of [0, 1).
Digest at(double position) {
  return {static_cast<std::uint64_t>(position * 0x1p53) << 11U, 0};
}

std::set<std::string> files_of(const Dataset& dataset) {
  std::set<std::string> files;
  for (const Sample& sample : dataset.samples) files.insert(sample.file);
  return files;
}

TEST(Split, TakesAboutItsShareOfEachClassAndLosesNothing) {
  const Datasets split = split_by_content(made_up(2000), 0.25);
  EXPECT_EQ(split.train.samples.size() + split.validation.samples.size(), 4000U);
  std::size_t cats = 0;
  for (const Sample& sample : split.validation.samples) cats += sample.label == 0 ? 1 : 0;
  // Standard deviation: sqrt(2000 · .25 · .75) = 19.4.
  EXPECT_NEAR(static_cast<double>(cats), 500.0, 100.0);
  EXPECT_NEAR(static_cast<double>(split.validation.samples.size() - cats), 500.0, 100.0);
  EXPECT_EQ(split.train.classes, split.validation.classes);
}

TEST(Split, KeepsTheOrderOfTheRows) {
  const Datasets split = split_by_content(made_up(5), 0.5);
  for (const Dataset* side : {&split.train, &split.validation}) {
    for (std::size_t i = 1; i < side->samples.size(); ++i) {
      EXPECT_LE(side->samples[i - 1].label, side->samples[i].label);
    }
  }
}

TEST(Split, DoesNotMoveAnImageWhenTheDataGrow) {
  const Datasets small = split_by_content(made_up(200), 0.3);
  const Datasets large = split_by_content(made_up(500), 0.3);
  const std::set<std::string> train = files_of(large.train);
  const std::set<std::string> validation = files_of(large.validation);
  for (const std::string& file : files_of(small.train)) EXPECT_TRUE(train.contains(file)) << file;
  for (const std::string& file : files_of(small.validation)) {
    EXPECT_TRUE(validation.contains(file)) << file;
  }
}

TEST(Split, DoesNotDependOnNames) {
  Dataset renamed = made_up(100);
  for (Sample& sample : renamed.samples) sample.file += ".renamed.png";
  const Datasets before = split_by_content(made_up(100), 0.3);
  const Datasets after = split_by_content(renamed, 0.3);
  ASSERT_EQ(before.validation.samples.size(), after.validation.samples.size());
  for (std::size_t i = 0; i < before.validation.samples.size(); ++i) {
    EXPECT_EQ(before.validation.samples[i].content, after.validation.samples[i].content);
  }
}

TEST(Split, CopiesOfAPictureLandOnOneSide) {
  Dataset all = made_up(50);
  const std::size_t originals = all.samples.size();
  for (std::size_t i = 0; i < originals; ++i) {
    Sample copy = all.samples[i];
    copy.file += ".copy.png";
    all.samples.push_back(copy);
  }
  const Datasets split = split_by_content(all, 0.4);
  std::set<Digest> train;
  for (const Sample& sample : split.train.samples) train.insert(sample.content);
  for (const Sample& sample : split.validation.samples)
    EXPECT_FALSE(train.contains(sample.content));
}

TEST(Split, AnEmptySideGetsTheNearestImage) {
  Dataset all;
  all.classes = {"a", "b"};
  all.samples = {{"a/1", 0, at(.5)}, {"a/2", 0, at(.7)}, {"a/3", 0, at(.9)},
                 {"b/1", 1, at(.1)}, {"b/2", 1, at(.2)}, {"b/3", 1, at(.05)}};
  const Datasets split = split_by_content(all, 0.3);
  // a: nothing below .3, so its smallest validates; b: everything is below, so its largest trains.
  EXPECT_EQ(files_of(split.validation), (std::set<std::string>{"a/1", "b/1", "b/3"}));
  EXPECT_EQ(files_of(split.train), (std::set<std::string>{"a/2", "a/3", "b/2"}));
}

TEST(Split, AClassOfOnePictureCannotBeSplit) {
  Dataset all = made_up(3);
  for (Sample& sample : all.samples) {
    if (sample.label == 1) sample.content = at(.5);
  }
  EXPECT_THAT(test::error_of([&] { split_by_content(all, 0.5); }),
              HasSubstr("the class 'dogs' in photos has fewer than two different images"));
}

TEST(Split, PositionsCoverZeroToOne) {
  EXPECT_EQ(split_position({0, 0}), 0.0);
  EXPECT_LT(split_position({~std::uint64_t{0}, 0}), 1.0);
  EXPECT_EQ(split_position({std::uint64_t{1} << 63U, 0}), 0.5);
}

TEST(Split, ReadsOneFolderAndKeepsSkippedFilesWithTrain) {
  const test::TemporaryFolder folder;
  for (unsigned i = 0; i < 8; ++i) {
    test::write_png(folder / "all" / (i % 2 == 0 ? "cats" : "dogs") / test::numbered("", i, ".png"),
                    i);
  }
  test::write_bytes(folder / "all" / "cats" / "bad.png", "no image");
  DataConfig data;
  data.train = folder / "all";
  data.validation_split = 0.5;
  data.on_bad_image = OnBadImage::skip;
  test::RecordingObserver observer;
  const Datasets datasets = read_datasets(data, 2, observer, {});
  EXPECT_EQ(datasets.train.samples.size() + datasets.validation.samples.size(), 8U);
  EXPECT_EQ(datasets.train.skipped.size(), 1U);
  EXPECT_TRUE(datasets.validation.skipped.empty());
  EXPECT_EQ(datasets.validation.root, folder / "all");
  EXPECT_THAT(observer.stages, ::testing::ElementsAre("check"));
}

}  // namespace
}  // namespace graft
