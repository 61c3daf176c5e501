// What an extraction asks of the disk: how often a photo is read, and how often rows are synced.

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>

#include "engine/features/features.h"
#include "tests/features/small_backend.h"
#include "tests/features/system_calls.h"
#include "tests/support/support.h"

namespace graft {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::PhotoReads;
using test::SmallSet;
using test::TemporaryFolder;
using ::testing::HasSubstr;

constexpr std::uint64_t first_bytes = 512;  // of a file are read before the rest

class ReadsTest : public ::testing::Test {
 protected:
  static constexpr std::size_t photos = 20;

  ReadsTest() {
    set_.names = {"train", "validation"};
    set_.data.validation_split = 0.3;
  }
  std::uint64_t bytes_of_photos() const {
    std::uint64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(set_.images))
      if (entry.is_regular_file()) bytes += entry.file_size();
    return bytes;
  }
  PhotoReads reads_of_extraction() {
    test::arm_fault(test::Fault::none, 0);
    set_.extract();
    test::disarm_fault();
    return test::photo_reads();
  }

  TemporaryFolder folder_;
  SmallSet set_{folder_.path(), 2, photos / 2};
};

TEST_F(ReadsTest, APhotoIsReadOnce) {
  const PhotoReads reads = reads_of_extraction();
  EXPECT_EQ(reads.opens, photos);
  EXPECT_EQ(reads.bytes, bytes_of_photos() + photos * first_bytes);
  EXPECT_EQ(set_.images_computed, photos);
}

TEST_F(ReadsTest, APhotoThatDoesNotFitIsReadASecondTime) {
  const std::uint64_t all = bytes_of_photos();
  const std::string expected = set_.fresh_result();
  for (const auto& [kept_bytes, opens] :
       {std::pair(all, photos), {all - 1, photos + 1}, {0U, 2 * photos}}) {
    fs::remove_all(set_.features);
    set_.kept_bytes = kept_bytes;
    const PhotoReads reads = reads_of_extraction();
    EXPECT_EQ(reads.opens, opens) << kept_bytes;
    EXPECT_LE(reads.bytes, 2 * (all + photos * first_bytes)) << kept_bytes;
    EXPECT_EQ(set_.result_bytes(), expected) << kept_bytes;
  }
}

TEST_F(ReadsTest, CopiesAndViewsOfAPhotoAreReadOnce) {
  fs::copy_file(set_.image("c0/2.png"), set_.image("c0/copy.png"));
  set_.data.views = {View::original, View::horizontal};
  set_.batch_size = 4;
  EXPECT_EQ(reads_of_extraction().opens, photos + 1);
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
}

TEST_F(ReadsTest, APhotoWhoseViewsAreInTwoBatchesIsReadASecondTime) {
  set_.names = {"train"};
  set_.data.views = {View::original, View::horizontal};
  const std::size_t opens = reads_of_extraction().opens;
  std::size_t shared = 0;
  for (std::size_t end = set_.batch_size; end < 2 * set_.datasets.train.samples.size();
       end += set_.batch_size)
    shared += end % 2;
  EXPECT_EQ(opens, photos + shared);
  EXPECT_GT(shared, 0U);
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
}

TEST_F(ReadsTest, FilesThatAreNotDecodedAreFreedBeforeTheFirstBatch) {
  set_.extract();
  test::write_png(set_.image("c0/new.png"), 77);
  std::size_t batches = 0;
  set_.before_submit = [&](std::size_t) {
    ++batches;
    for (const Dataset* dataset : {&set_.datasets.train, &set_.datasets.validation})
      for (const Sample& sample : dataset->samples)
        EXPECT_FALSE(set_.kept->take(sample.content)) << sample.file;
  };
  EXPECT_EQ(reads_of_extraction().opens, photos + 1);
  EXPECT_EQ(batches, 1U);
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
}

TEST_F(ReadsTest, AFileThatChangesIsDecodedAsItWasWhenItWasDigestedOrEndsTheRun) {
  const std::string expected = set_.fresh_result();
  set_.after_read = [&] { test::write_png(set_.image("c1/3.png"), 501); };
  set_.extract();
  EXPECT_EQ(set_.result_bytes(), expected);
  fs::remove_all(set_.features);
  set_.kept_bytes = 0;
  set_.after_read = [&] { test::write_png(set_.image("c1/3.png"), 502); };
  EXPECT_THAT(error_of([&] { set_.extract(); }), HasSubstr("3.png changed while"));
}

TEST(Syncs, FollowTheClockAndNotTheBatches) {
  const TemporaryFolder folder;
  SmallSet set(folder.path(), 2, 500);
  const auto syncs_with = [&](std::chrono::milliseconds interval) {
    fs::remove_all(set.features);
    set.sync_interval = interval;
    test::arm_fault(test::Fault::none, 0);
    set.extract();
    test::disarm_fault();
    return test::syncs();
  };
  const std::size_t at_both_ends = syncs_with(std::chrono::hours(1));
  EXPECT_LE(at_both_ends, 24U);
  const auto start = std::chrono::steady_clock::now();
  const std::size_t syncs = syncs_with(ExtractionRequest().sync_interval);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LE(syncs, at_both_ends + 2 * static_cast<std::size_t>(seconds.count() / 0.25));
  // Rows and journal once a batch of three.
  EXPECT_EQ(syncs_with(std::chrono::milliseconds(0)), at_both_ends + 2 * 333);
  EXPECT_EQ(test::writes_out_of_order(), 0U);
  RecordProperty("syncs", static_cast<int>(syncs));
}

}  // namespace
}  // namespace graft
