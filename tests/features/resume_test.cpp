// Continuing an interrupted extraction; with other images its rows are still found.

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>

#include "engine/base/error.h"
#include "engine/features/features.h"
#include "tests/features/small_backend.h"
#include "tests/support/support.h"

namespace graft {
namespace {

namespace fs = std::filesystem;
using test::SmallSet;
using test::TemporaryFolder;
using ::testing::Contains;
using ::testing::HasSubstr;

// Nothing is synced by time: a stop and a failure keep the rows that are complete.
class ResumeTest : public ::testing::Test {
 protected:
  ResumeTest() { set_.sync_interval = std::chrono::hours(1); }
  void expect_complete() {
    EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
    EXPECT_EQ(set_.result_files().size(), 3 * set_.names.size());
  }

  TemporaryFolder folder_;
  SmallSet set_{folder_.path(), 2, 8};
};

TEST_F(ResumeTest, ContinuesAtTheRowWhereItWas) {
  for (std::size_t batches = 1; batches <= 5; ++batches) {
    fs::remove_all(set_.features);
    set_.interrupt_after(batches);
    EXPECT_EQ(set_.images_computed, 3 * batches);
    const ExtractionCounts counts = set_.extract();
    EXPECT_EQ(counts.resumed, 3 * batches);
    EXPECT_EQ(counts.computed, 16 - 3 * batches);
    EXPECT_EQ(set_.images_computed, 16 - 3 * batches);
    EXPECT_THAT(set_.notes, HasSubstr(test::numbered("continues an interrupted extraction at row ",
                                                     3 * batches, " of 16")));
    expect_complete();
  }
}

TEST_F(ResumeTest, ContinuesManyTimes) {
  for (int i = 0; i < 5; ++i) set_.interrupt_after(1);
  EXPECT_EQ(set_.extract().resumed, 15U);
  expect_complete();
}

TEST_F(ResumeTest, ContinuesAfterAFailureOfTheBackbone) {
  set_.before_submit = [](std::size_t batch) {
    if (batch == 2) throw Error(ErrorKind::device, "gone");
  };
  EXPECT_EQ(test::error_of([&] { set_.extract(); }), "gone");
  set_.before_submit = nullptr;
  EXPECT_EQ(set_.extract().resumed, 6U);
  expect_complete();
}

TEST_F(ResumeTest, ContinuesAfterAFailureOfTheDeviceInTheMiddleOfItsWork) {
  for (const std::size_t in_flight : {2, 3}) {
    for (const std::size_t failing : {1, 3, 5}) {  // of six batches of three, the last has one
      fs::remove_all(set_.features);
      set_.backend.in_flight = in_flight;
      set_.before_compute = [&](std::size_t batch) {
        if (batch == failing) throw Error(ErrorKind::device, "the GPU's work is lost");
      };
      try {
        set_.extract();
        FAIL() << "no error";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::device);
        EXPECT_STREQ(error.what(), "the GPU's work is lost");
      }
      set_.before_compute = nullptr;
      const ExtractionCounts counts = set_.extract();
      EXPECT_EQ(counts.resumed, 3 * failing);
      EXPECT_EQ(counts.computed, 16 - 3 * failing);
      expect_complete();
    }
  }
}

TEST_F(ResumeTest, AnInterruptedSetCannotBeOpened) {
  set_.interrupt_after(2);
  EXPECT_THAT(test::error_of([&] { FeatureSet::open(set_.features, "train", 0); }),
              HasSubstr("was interrupted"));
}

TEST_F(ResumeTest, TheEarlierSetStaysUntilTheNewOneIsComplete) {
  set_.extract();
  const std::string before = set_.result_bytes();
  set_.weights = {9, 9};
  set_.interrupt_after(2);
  EXPECT_EQ(set_.result_bytes(), before);
  EXPECT_EQ(set_.extract().resumed, 6U);
  expect_complete();
}

TEST_F(ResumeTest, RowsOfAnotherSelectionAreFoundByTheirContent) {
  set_.interrupt_after(4);  // c0/0 … c1/3
  fs::remove(set_.image("c0/1.png"));
  test::write_png(set_.image("c0/0a.png"), 321);
  const ExtractionCounts counts = set_.extract();
  EXPECT_EQ(counts.reused, 11U);
  EXPECT_EQ(counts.computed, 5U);  // the new one and c1/4 … c1/7
  EXPECT_EQ(set_.images_computed, 5U);
  expect_complete();
}

TEST_F(ResumeTest, RowsSurviveManyChangesOfTheImages) {
  set_.interrupt_after(2);
  test::write_png(set_.image("c0/00.png"), 400);  // now first
  set_.interrupt_after(1);
  test::write_png(set_.image("c0/000.png"), 401);
  set_.interrupt_after(1);
  fs::remove(set_.image("c1/7.png"));
  set_.extract();
  // Six, three and three of the 17 were computed before.
  EXPECT_EQ(set_.images_computed, 17 - (6 + 3 + 3));
  expect_complete();
}

// In whatever order they are left: each extraction is continued where it is the start of the set.
TEST_F(ResumeTest, ASelectionThatComesBackIsContinued) {
  set_.interrupt_after(4);
  test::write_png(set_.image("c0/00.png"), 400);
  set_.interrupt_after(1);  // the new image, 11 copied, 2 more
  EXPECT_THAT(set_.result_files(), Contains("train.1.journal"));
  fs::remove(set_.image("c0/00.png"));
  const ExtractionCounts counts = set_.extract();
  EXPECT_EQ(counts.resumed, 12U);
  EXPECT_EQ(counts.reused, 2U);
  EXPECT_EQ(set_.images_computed, 2U);
  expect_complete();
}

TEST_F(ResumeTest, AnImageAddedAtTheEndContinuesInPlace) {
  set_.interrupt_after(4);
  test::write_png(set_.image("c1/9.png"), 400);
  EXPECT_EQ(set_.extract().resumed, 12U);
  expect_complete();
}

TEST_F(ResumeTest, RowsOfAnInterruptedSetServeTheOtherSet) {
  set_.names = {"train", "validation"};
  set_.data.validation_split = 0.5;
  set_.interrupt_after(2);  // of train
  const std::size_t done = set_.images_computed;
  set_.data.validation_split = 0.9;
  set_.extract();
  EXPECT_EQ(set_.images_computed, 16 - done);
  expect_complete();
}

TEST_F(ResumeTest, OfTwoSourcesEachGivesWhatItHas) {
  set_.extract();
  for (unsigned i = 0; i < 6; ++i)
    test::write_png(set_.image(test::numbered("c0/n", i, ".png")), 600 + i);
  set_.interrupt_after(1);
  test::write_png(set_.image("c0/last.png"), 700);  // other images
  const ExtractionCounts counts = set_.extract();
  EXPECT_EQ(counts.reused, 16U + 3U);
  EXPECT_EQ(set_.images_computed, 4U);
  expect_complete();
}

TEST_F(ResumeTest, ADifferentKeyIsNotContinued) {
  set_.interrupt_after(2);
  set_.data.preprocess = Preprocess::caffe;
  EXPECT_EQ(set_.extract().computed, 16U);
  EXPECT_THAT(set_.notes,
              HasSubstr("an interrupted extraction is not continued: preprocess changed"));
  expect_complete();
}

TEST_F(ResumeTest, DamagedRowsAreComputedAgain) {
  set_.sync_interval = {};  // a line of the journal for each batch
  set_.interrupt_after(4);
  File(set_.result("train.npy.partial"), File::Mode::read_write)
      .write_at(128 + 7 * 4096, std::vector<std::byte>(8, std::byte{7}));
  EXPECT_EQ(set_.extract().resumed, 6U);
  expect_complete();
}

TEST_F(ResumeTest, AMissingOrForeignPartialFileIsComputedAgain) {
  set_.interrupt_after(2);
  fs::remove(set_.result("train.npy.partial"));
  EXPECT_EQ(set_.extract().computed, 16U);
  expect_complete();
  fs::remove_all(set_.features);
  set_.interrupt_after(2);
  test::write_bytes(set_.result("train.npy.partial"), "something else");
  EXPECT_EQ(set_.extract().computed, 16U);
  expect_complete();
  fs::remove_all(set_.features);
  set_.interrupt_after(2);
  test::write_bytes(set_.result("train.npy.partial"), "something else");
  test::write_png(set_.image("c0/0a.png"), 321);  // and other images
  EXPECT_EQ(set_.extract().computed, 17U);
  expect_complete();
}

TEST_F(ResumeTest, SkippedImagesAreNotTriedAgain) {
  set_.data.on_bad_image = OnBadImage::skip;
  test::write_bytes(set_.image("c0/1.png"), test::png_with_damaged_pixels(1));
  set_.interrupt_after(2);
  const ExtractionCounts counts = set_.extract();
  EXPECT_EQ(counts.resumed, 5U);
  EXPECT_EQ(counts.skipped, 1U);
  EXPECT_EQ(set_.images_computed, 10U);
  expect_complete();
}

TEST_F(ResumeTest, AnImageThatWasBadAndIsNotAnyMoreIsComputed) {
  set_.data.on_bad_image = OnBadImage::skip;
  test::write_bytes(set_.image("c0/1.png"), test::png_with_damaged_pixels(1));
  set_.interrupt_after(2);
  test::write_png(set_.image("c0/1.png"), 321);
  const ExtractionCounts counts = set_.extract();
  EXPECT_EQ(counts.skipped, 0U);
  EXPECT_EQ(counts.computed, 11U);
  expect_complete();
}

TEST_F(ResumeTest, AnUpToDateSetClearsAwayAnInterruptedOne) {
  set_.extract();
  const Digest before = set_.weights;
  set_.weights = {9, 9};
  set_.interrupt_after(1);
  set_.weights = before;
  EXPECT_EQ(set_.extract().reused, 16U);
  EXPECT_FALSE(set_.backbone_asked_for);
  expect_complete();
}

}  // namespace
}  // namespace graft
