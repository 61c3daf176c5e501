// Views of a photo: which rows they are, and what is computed when they change.

#include <gmock/gmock.h>

#include <filesystem>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/features/features.h"
#include "engine/features/set_files.h"
#include "engine/image/image.h"
#include "tests/features/file_lists.h"
#include "tests/features/small_backend.h"
#include "tests/support/support.h"

namespace graft {
namespace {

using test::error_of;
using test::file_list_json;
using test::SmallSet;
using test::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ViewsTest : public ::testing::Test {
 protected:
  std::vector<float> row(std::size_t index) const {
    const FeatureSet set = FeatureSet::open(set_.features, "train", 1U << 30U);
    return {set.view().row(index), set.view().row(index + 1)};
  }
  std::vector<float> features_of(const std::string& file, View view) const {
    const auto bytes = read_file(set_.image(file), 1U << 20U);
    std::vector<std::uint8_t> pixels(std::size_t{3} * set_.data.image_size.height *
                                     set_.data.image_size.width);
    resize_image(decode_image(bytes, {}), set_.data.resize, set_.data.image_size, pixels);
    turn_to_view(pixels, set_.data.image_size, view);
    return test::small_features(pixels);
  }
  void expect_counts(const ExtractionCounts& counts, std::size_t computed, std::size_t reused) {
    EXPECT_EQ(counts.computed, computed);
    EXPECT_EQ(counts.reused, reused);
    EXPECT_EQ(set_.images_computed, computed);
    EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
  }

  TemporaryFolder folder_;
  SmallSet set_{folder_.path(), 2, 5};
};

TEST_F(ViewsTest, TheRowsOfAPhotoFollowEachOther) {
  set_.data.views = {View::original, View::horizontal, View::rotate180};
  set_.extract();
  const FeatureSet features = FeatureSet::open(set_.features, "train", 1U << 30U);
  EXPECT_EQ(features.views().size(), 3U);
  EXPECT_EQ(features.view().rows, 30U);
  EXPECT_THAT(features.labels(), ElementsAre(0, 0, 0, 0, 0, 1, 1, 1, 1, 1));
  EXPECT_EQ(features.files()[6], "c1/1.png");
  EXPECT_EQ(features.contents()[6], digest_of(test::png_bytes(1001)));
  const NpyFile labels(set_.result("train.labels.npy"));
  EXPECT_EQ(labels.labels().size(), 30U);
  for (std::size_t view = 0; view < 3; ++view) {
    EXPECT_EQ(row(3 * 6 + view), features_of("c1/1.png", set_.data.views[view])) << view;
  }
  EXPECT_NE(row(18), row(19));
}

TEST_F(ViewsTest, AreTheSameForAnyThreadsBatchesAndBatchesInFlight) {
  set_.data.views = {View::original, View::vertical};
  const std::string expected = set_.fresh_result();
  for (const std::size_t threads : {1, 2, 4}) {
    for (const std::size_t batch : {1, 3, 32}) {
      set_.decode_threads = threads;
      set_.batch_size = batch;
      set_.backend.in_flight = threads;
      std::filesystem::remove_all(set_.features);
      set_.extract();
      EXPECT_EQ(set_.result_bytes(), expected) << threads << " threads, batches of " << batch;
    }
  }
}

TEST_F(ViewsTest, AnAddedViewIsComputedAloneAndARemovedOneIsNotComputed) {
  set_.extract();
  set_.data.views = {View::original, View::rotate180};
  expect_counts(set_.extract(), 10, 10);
  EXPECT_THAT(set_.notes, HasSubstr("10 of 20 views are new or changed; 10 rows reused"));
  set_.data.views = {View::rotate180};
  expect_counts(set_.extract(), 0, 10);
  set_.data.views = {View::horizontal, View::rotate180};
  expect_counts(set_.extract(), 10, 10);
  EXPECT_EQ(row(4), features_of("c0/2.png", View::horizontal));
  EXPECT_EQ(row(5), features_of("c0/2.png", View::rotate180));
}

// A checkpoint belongs to features with one fingerprint.
TEST_F(ViewsTest, OtherViewsAreOtherFeatures) {
  const auto fingerprint_of = [&](View second) {
    set_.data.views = {View::original, second};
    set_.extract();
    return FeatureSet::open(set_.features, "train", 0).fingerprint();
  };
  const Digest turned = fingerprint_of(View::rotate180);
  EXPECT_NE(fingerprint_of(View::vertical), turned);
  EXPECT_EQ(fingerprint_of(View::rotate180), turned);
}

TEST_F(ViewsTest, AnInterruptedExtractionGoesOnBetweenTwoViews) {
  set_.data.views = {View::original, View::horizontal};
  set_.batch_size = 3;
  set_.interrupt_after(1);  // three rows: a photo and a half
  const ExtractionCounts counts = set_.extract();
  EXPECT_EQ(counts.resumed, 3U);
  EXPECT_EQ(counts.computed, 17U);
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
}

TEST_F(ViewsTest, ABadImageIsOneSkippedFileAndStaysKnown) {
  set_.data.views = {View::original, View::horizontal};
  set_.data.on_bad_image = OnBadImage::skip;
  test::write_bytes(set_.image("c0/1.png"), test::png_with_damaged_pixels(7));
  const ExtractionCounts counts = set_.extract();
  EXPECT_EQ(counts.skipped, 1U);
  EXPECT_EQ(counts.computed, 18U);
  const FileList list = read_file_list(set_.result("train.files.json"));
  ASSERT_EQ(list.skipped.size(), 1U);
  EXPECT_EQ(list.skipped[0].file, "c0/1.png");
  set_.data.views.push_back(View::vertical);
  expect_counts(set_.extract(), 9, 18);
  EXPECT_EQ(FeatureSet::open(set_.features, "train", 0).files().size(), 9U);
}

TEST_F(ViewsTest, AFileListWhoseRowsAreNotViewsOfPhotosIsRefused) {
  set_.data.views = {View::original, View::horizontal};
  set_.extract();
  FileList list = read_file_list(set_.result("train.files.json"));
  const FileRow second = list.rows[1];
  list.rows[1] = list.rows[2];
  EXPECT_THAT(error_of([&] { parse_file_list(file_list_json(list), "f"); }),
              HasSubstr("row 1 is not a view of c0/0.png"));
  list.rows[1] = second;
  list.rows.pop_back();
  EXPECT_THAT(error_of([&] { parse_file_list(file_list_json(list), "f"); }),
              HasSubstr("the last photo lacks a view"));
}

}  // namespace
}  // namespace graft
