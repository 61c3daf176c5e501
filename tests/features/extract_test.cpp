// What an extraction computes, what it takes from the one before, and what it says about it.

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/features/features.h"
#include "engine/features/set_files.h"
#include "tests/features/small_backend.h"
#include "tests/support/support.h"

namespace graft {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::SmallSet;
using test::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

void expect_counts(const ExtractionCounts& counts, std::size_t computed, std::size_t reused,
                   std::size_t resumed, std::size_t skipped) {
  EXPECT_EQ(counts.computed, computed);
  EXPECT_EQ(counts.reused, reused);
  EXPECT_EQ(counts.resumed, resumed);
  EXPECT_EQ(counts.skipped, skipped);
}

class ExtractTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  SmallSet set_{folder_.path(), 2, 5};
};

TEST_F(ExtractTest, WritesAllThreeFilesAndNothingElse) {
  expect_counts(set_.extract(), 10, 0, 0, 0);
  EXPECT_THAT(set_.result_files(),
              ElementsAre("train.files.json", "train.labels.npy", "train.npy"));
  const FileList list = read_file_list(set_.result("train.files.json"));
  EXPECT_THAT(list.classes, ElementsAre("c0", "c1"));
  ASSERT_EQ(list.rows.size(), 10U);
  EXPECT_EQ(list.rows[7].file, "c1/2.png");
  EXPECT_EQ(list.rows[7].label, 1U);
  EXPECT_EQ(list.rows[7].content, digest_of(test::png_bytes(1002)));
  const NpyFile features(set_.result("train.npy"));
  EXPECT_THAT(features.header().shape, ElementsAre(10, 1, 2, 512));
  const NpyFile labels(set_.result("train.labels.npy"));
  EXPECT_THAT(labels.labels(), ElementsAre(0, 0, 0, 0, 0, 1, 1, 1, 1, 1));
  EXPECT_FALSE(set_.observer.misused);
  EXPECT_EQ(set_.observer.done, 10U);
  EXPECT_FALSE(set_.observer.in_stage);
}

TEST_F(ExtractTest, IsTheSameForAnyThreadsBatchesAndBatchesInFlight) {
  const std::string expected = set_.fresh_result();
  for (const std::size_t threads : {1, 2, 4}) {
    for (const std::size_t batch : {1, 3, 32}) {
      set_.decode_threads = threads;
      set_.batch_size = batch;
      set_.backend.in_flight = threads;
      fs::remove_all(set_.features);
      set_.extract();
      EXPECT_EQ(set_.result_bytes(), expected) << threads << " threads, batches of " << batch;
    }
  }
}

TEST_F(ExtractTest, ASecondRunWritesNothingAndDoesNotAskForTheBackbone) {
  set_.extract();
  const auto time = fs::last_write_time(set_.result("train.npy"));
  const auto files_time = fs::last_write_time(set_.result("train.files.json"));
  expect_counts(set_.extract(), 0, 10, 0, 0);
  EXPECT_FALSE(set_.backbone_asked_for);
  EXPECT_EQ(fs::last_write_time(set_.result("train.npy")), time);
  EXPECT_EQ(fs::last_write_time(set_.result("train.files.json")), files_time);
  EXPECT_THAT(set_.notes, HasSubstr("features/train: all 10 rows are up to date"));
}

TEST_F(ExtractTest, AnAddedImageComputesItsRowOnly) {
  set_.extract();
  test::write_png(set_.image("c0/2a.png"), 500);
  expect_counts(set_.extract(), 1, 10, 0, 0);
  EXPECT_EQ(set_.images_computed, 1U);
  EXPECT_THAT(set_.notes,
              HasSubstr("features/train: 1 of 11 images are new or changed; 10 rows reused"));
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
}

TEST_F(ExtractTest, OnlyNewContentsAreComputed) {
  struct Change {
    const char* name;
    std::function<void()> make;
    std::size_t computed, reused;
  };
  const Change changes[] = {
      {"changed", [&] { test::write_png(set_.image("c1/3.png"), 501); }, 1, 9},
      {"removed", [&] { fs::remove(set_.image("c0/4.png")); }, 0, 9},
      {"renamed", [&] { fs::rename(set_.image("c0/0.png"), set_.image("c0/9.png")); }, 0, 9},
      {"another class", [&] { fs::rename(set_.image("c0/1.png"), set_.image("c1/1a.png")); }, 0, 9},
      {"copied", [&] { fs::copy_file(set_.image("c0/2.png"), set_.image("c0/copy.png")); }, 0, 10}};
  set_.extract();
  for (const Change& change : changes) {
    SCOPED_TRACE(change.name);
    change.make();
    expect_counts(set_.extract(), change.computed, change.reused, 0, 0);
    EXPECT_EQ(set_.backbone_asked_for, change.computed > 0);
    EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
  }
}

TEST_F(ExtractTest, ARenamedClassLeavesTheRowsFileAlone) {
  set_.extract();
  const auto time = fs::last_write_time(set_.result("train.npy"));
  fs::rename(set_.image("c1"), set_.image("cats"));
  expect_counts(set_.extract(), 0, 10, 0, 0);
  EXPECT_EQ(fs::last_write_time(set_.result("train.npy")), time);
  EXPECT_THAT(
      set_.notes,
      HasSubstr("names, labels, settings or the skipped files changed; all 10 rows reused"));
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
  EXPECT_THAT(set_.result_files(),
              ElementsAre("train.files.json", "train.labels.npy", "train.npy"));
}

TEST_F(ExtractTest, AChangedKeyComputesAllAndSaysWhy) {
  const std::pair<std::function<void()>, std::string> changes[] = {
      {[&] {
         set_.weights = {3, 4};
       },
       "features/train: the weights changed: all rows are computed again"},
      {[&] { set_.data.preprocess = Preprocess::caffe; },
       "preprocess changed from rescale to caffe: all rows are computed again"},
      {[&] { set_.data.resize = Resize::bilinear; }, "resize changed from nearest to bilinear"},
      {[&] { set_.data.exif_orientation = true; }, "exif_orientation changed from false to true"},
      {[&] { set_.data.gray16 = Gray16::clip; }, "gray16 changed from high_byte to clip"},
      {[&] { set_.data.fast_decode = true; }, "fast_decode changed from false to true"},
      {[&] { set_.data.fast_decode = false; }, "fast_decode changed from true to false"},
      {[&] { set_.backend.numerics_name = "other"; }, "numerics changed from small to other"}};
  set_.extract();
  for (const auto& [change, reason] : changes) {
    change();
    expect_counts(set_.extract(), 10, 0, 0, 0);
    EXPECT_EQ(set_.images_computed, 10U);
    EXPECT_THAT(set_.notes, HasSubstr(reason));
  }
}

// Features that were computed before a setting existed keep their key while it has its default.
TEST(FeatureKey, HoldsTheseSettingsAndNoOthers) {
  const auto names_of = [](const DataConfig& data) {
    std::vector<std::string> names;
    for (const auto& [name, value] : feature_key(data, {1, 2}, "small", {1, 2, 512}).settings)
      names.push_back(name);
    return names;
  };
  DataConfig data;
  EXPECT_THAT(names_of(data), ElementsAre("format", "weights", "image_size", "resize", "preprocess",
                                          "exif_orientation", "gray16", "numerics", "shape"));
  data.fast_decode = true;
  EXPECT_EQ(names_of(data).back(), "fast_decode");
}

// The photos that move are in the other set's files, before and after a kill at any step (see
// faults_test.cpp).
TEST_F(ExtractTest, AnotherSplitComputesNothing) {
  set_.names = {"train", "validation"};
  set_.data.validation_split = 0.4;
  set_.extract();
  EXPECT_EQ(set_.images_computed, 10U);
  const std::size_t validated = set_.datasets.validation.samples.size();
  for (const double split : {0.8, 0.1, 0.4}) {  // to validation, and back to train
    set_.data.validation_split = split;
    set_.extract();
    EXPECT_NE(set_.datasets.validation.samples.size(), validated + (split == 0.4 ? 1 : 0)) << split;
    EXPECT_EQ(set_.images_computed, 0U) << split;
    EXPECT_FALSE(set_.backbone_asked_for) << split;
    EXPECT_THAT(set_.notes, HasSubstr("images were moved or removed")) << split;
    EXPECT_EQ(set_.result_bytes(), set_.fresh_result()) << split;
    EXPECT_EQ(set_.result_files().size(), 6U) << split;
  }
}

TEST_F(ExtractTest, OtherSettingsOfTheSameRowsAreRecordedAndNothingIsComputed) {
  set_.settings = {{"data.on_bad_image", "\"stop\""}};
  set_.extract();
  set_.settings = {{"data.on_bad_image", "\"skip\""}};
  expect_counts(set_.extract(), 0, 10, 0, 0);
  EXPECT_FALSE(set_.backbone_asked_for);
  EXPECT_EQ(FeatureSet::open(set_.features, "train", 0).settings(), set_.settings);
}

TEST_F(ExtractTest, StrayFilesGoAndRowsThatCanBeContinuedStay) {
  set_.names = {"train", "validation"};
  set_.data.validation_split = 0.4;
  set_.interrupt_after(1);
  const auto kept = set_.result_files();
  for (const char* stray :
       {"train.labels.next", "validation.files.next", "train.files.next.partial",
        "train.3.npy.partial", "train.journal.partial"})
    test::write_bytes(set_.result(stray), "half");
  test::write_bytes(set_.result("notes.next"), "somebody's notes");
  recover_features(set_.features, set_.names);
  EXPECT_TRUE(std::filesystem::remove(set_.result("notes.next")));
  EXPECT_EQ(set_.result_files(), kept);
  set_.extract();
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
}

// More than the 64 rows that were once looked at.
TEST(StoredSet, AFlippedBitInAnyRowIsFound) {
  const TemporaryFolder folder;
  SmallSet set(folder.path(), 2, 40);
  set.extract();
  for (std::size_t row = 0; row < 80; ++row) {
    const std::string good = test::read_bytes(set.result("train.npy"));
    std::string bad = good;
    bad[128 + row * 4096 + 50 * row] ^= 1;
    test::write_bytes(set.result("train.npy"), bad);
    EXPECT_THAT(error_of([&] { FeatureSet::open(set.features, "train", 0); }),
                HasSubstr("row " + std::to_string(row) + " is not the one"));
    test::write_bytes(set.result("train.npy"), good);
  }
}

TEST_F(ExtractTest, DamagedOrForeignFilesAreNeverTrusted) {
  set_.extract();
  const std::string good = set_.result_bytes();
  const auto overwrite = [&](const char* name, std::uint64_t offset) {
    File file(set_.result(name), File::Mode::read_write);
    std::byte value{};
    file.read_at(offset, {&value, 1});
    value ^= std::byte{0x40};
    file.write_at(offset, {&value, 1});
  };
  const std::pair<std::function<void()>, std::string> damages[] = {
      {[&] { test::write_bytes(set_.result("train.files.json"), "{ not json"); },
       "train.files.json"},
      {[&] { test::write_bytes(set_.result("train.files.json"), "[1, 2]"); }, "train.files.json"},
      {[&] { test::write_bytes(set_.result("train.npy"), "not numpy"); }, "train.npy"},
      {[&] { fs::resize_file(set_.result("train.npy"), 4096); }, "train.npy"},
      {[&] { fs::resize_file(set_.result("train.npy"), 0); }, "train.npy"},
      {[&] { overwrite("train.npy", 128); }, "row 0 is not the one"},
      {[&] { overwrite("train.npy", 128 + 5 * 4096 + 17); }, "row 5 is not the one"},
      {[&] { overwrite("train.npy", 128 + 9 * 4096 + 4095); }, "row 9 is not the one"},
      {[&] { overwrite("train.files.json", 200); }, "train.files.json"},
      {[&] { overwrite("train.labels.npy", 128); }, "train.labels.npy"},
      {[&] { fs::remove(set_.result("train.labels.npy")); }, "train.labels.npy is missing"},
      {[&] { fs::remove(set_.result("train.npy")); }, "train.npy is missing"},
      {[&] { fs::remove(set_.result("train.files.json")); }, "train.files.json is missing"}};
  for (const auto& [damage, reason] : damages) {
    damage();
    EXPECT_THROW(FeatureSet::open(set_.features, "train", 0), Error) << reason;
    expect_counts(set_.extract(), 10, 0, 0, 0);
    EXPECT_THAT(set_.notes, HasSubstr(reason));
    EXPECT_EQ(set_.result_bytes(), good);
  }
}

TEST_F(ExtractTest, ABadImageAtDecodingStopsAndKeepsTheRowsBefore) {
  test::write_bytes(set_.image("c1/2.png"), test::png_with_damaged_pixels(1002));
  try {
    set_.extract();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_THAT(error.what(), HasSubstr("c1/2.png"));
  }
  EXPECT_FALSE(set_.observer.in_stage);
  EXPECT_FALSE(fs::exists(set_.result("train.npy")));
  EXPECT_THROW(FeatureSet::open(set_.features, "train", 0), Error);
  test::write_png(set_.image("c1/2.png"), 1002);
  expect_counts(set_.extract(), 3, 0, 7, 0);
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
}

TEST_F(ExtractTest, ABadImageAtDecodingIsSkippedWithoutAHole) {
  set_.data.on_bad_image = OnBadImage::skip;
  for (const char* file : {"c0/0.png", "c0/4.png", "c1/2.png"}) {
    test::write_bytes(set_.image(file), test::png_with_damaged_pixels(7));
  }
  test::write_bytes(set_.image("c0/header.png"), "no image");
  expect_counts(set_.extract(), 7, 0, 0, 4);
  const FileList list = read_file_list(set_.result("train.files.json"));
  ASSERT_EQ(list.rows.size(), 7U);
  EXPECT_EQ(list.rows[0].file, "c0/1.png");
  EXPECT_EQ(list.rows[3].file, "c1/0.png");
  ASSERT_EQ(list.skipped.size(), 4U);
  EXPECT_EQ(list.skipped[0].file, "c0/header.png");
  EXPECT_EQ(list.skipped[1].file, "c0/0.png");
  EXPECT_TRUE(list.skipped[1].content.has_value());
  EXPECT_THAT(NpyFile(set_.result("train.npy")).header().shape, ElementsAre(7, 1, 2, 512));
  EXPECT_EQ(fs::file_size(set_.result("train.npy")), 128U + 7U * 4096U);
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());

  expect_counts(set_.extract(), 0, 7, 0, 4);  // known to be bad: not tried again
  EXPECT_FALSE(set_.backbone_asked_for);
  test::write_png(set_.image("c0/9.png"), 900);
  expect_counts(set_.extract(), 1, 7, 0, 4);
  EXPECT_EQ(set_.images_computed, 1U);
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
}

TEST_F(ExtractTest, ABadImageOfAnotherDecoderIsTriedAgain) {
  set_.data.on_bad_image = OnBadImage::skip;
  test::write_bytes(set_.image("c0/0.png"), test::png_with_damaged_pixels(7));
  expect_counts(set_.extract(), 9, 0, 0, 1);
  const fs::path files = set_.result("train.files.json");
  std::string text = read_text_file(files, 1 << 20);
  const std::size_t decoder = text.find(", \"decoder\"");
  ASSERT_NE(decoder, std::string::npos);
  text.erase(decoder, text.find('}', decoder) - decoder);
  text.resize(text.rfind(",\n\"digest\""));
  text += "}";
  const std::size_t settings = text.find("\n\"settings\"");
  text.erase(settings, text.find("},", settings) + 2 - settings);
  text.replace(text.find("\"version\": 2"), 12, "\"version\": 1");  // as an older version wrote it
  write_file_whole(files, text);
  expect_counts(set_.extract(), 0, 9, 0, 1);
  EXPECT_TRUE(set_.backbone_asked_for);
  EXPECT_EQ(set_.result_bytes(), set_.fresh_result());
}

TEST_F(ExtractTest, ImagesThatFailAtDecodingAreNamedEveryTime) {
  set_.data.on_bad_image = OnBadImage::skip;
  for (const char* file : {"c0/0.png", "c1/2.png"}) {
    test::write_bytes(set_.image(file), test::png_with_damaged_pixels(7));
  }
  test::write_bytes(set_.image("c0/header.png"), "no image");
  const auto expect_named = [&] {
    ASSERT_EQ(set_.observer.warnings.size(), 1U);
    const std::string& warning = set_.observer.warnings[0];
    EXPECT_THAT(warning, StartsWith("features/train: 2 images could not be decoded and are "
                                    "skipped:\n  " +
                                    set_.image("c0/0.png").string() + ": "));
    EXPECT_THAT(warning, HasSubstr("\n  " + set_.image("c1/2.png").string() + ": "));
    EXPECT_THAT(warning, Not(HasSubstr("header.png")));  // named when the folder was read
  };
  set_.extract();
  expect_named();
  set_.extract();  // all rows are kept
  expect_named();
  test::write_png(set_.image("c0/9.png"), 900);
  set_.extract();  // all but one
  expect_named();
}

TEST_F(ExtractTest, NoMoreThanTwentyImagesAreNamed) {
  set_.data.on_bad_image = OnBadImage::skip;
  for (unsigned i = 0; i < 25; ++i) {
    test::write_bytes(set_.image(test::numbered("c0/bad", i, ".png")),
                      test::png_with_damaged_pixels(i));
  }
  set_.extract();
  ASSERT_EQ(set_.observer.warnings.size(), 1U);
  const std::string& warning = set_.observer.warnings[0];
  EXPECT_EQ(std::count(warning.begin(), warning.end(), '\n'), 21);
  EXPECT_THAT(warning, HasSubstr("25 images could not be decoded"));
  EXPECT_THAT(warning, EndsWith("\n  and 5 more"));
}

TEST_F(ExtractTest, ARunThatIsRefusedTakesNoDiskSpace) {
  set_.read();
  const auto refuse = []() -> Backbone& { throw Error(ErrorKind::device, "too large"); };
  EXPECT_EQ(error_of([&] {
              extract_features(set_.request(), {set_.backend, set_.observer}, refuse);
            }),
            "too large");
  EXPECT_THAT(set_.result_files(), IsEmpty());
  set_.data.image_size = {400'000, 400'000};
  EXPECT_THAT(error_of([&] { set_.extract(); }), HasSubstr("GiB of memory"));
  EXPECT_FALSE(set_.backbone_asked_for);
  EXPECT_THAT(set_.result_files(), IsEmpty());
}

TEST_F(ExtractTest, WhatWasSkippedIsAnErrorOnceItMustStop) {
  test::write_bytes(set_.image("c0/1.png"), test::png_with_damaged_pixels(7));
  set_.data.on_bad_image = OnBadImage::skip;
  set_.extract();
  set_.data.on_bad_image = OnBadImage::stop;
  EXPECT_THAT(error_of([&] { set_.extract(); }), HasSubstr("c0/1.png"));
}

TEST_F(ExtractTest, AClassWithoutOneGoodImageIsAnError) {
  set_.data.on_bad_image = OnBadImage::skip;
  for (unsigned i = 0; i < 5; ++i) {
    test::write_bytes(set_.image(test::numbered("c1/", i, ".png")),
                      test::png_with_damaged_pixels(i));
  }
  EXPECT_THAT(error_of([&] { set_.extract(); }), HasSubstr("no image of the class 'c1'"));
  EXPECT_FALSE(fs::exists(set_.result("train.npy")));
}

TEST_F(ExtractTest, NamesWithSpacesAndUtf8AreKept) {
  test::write_png(set_.image("c0/the \"old\" \xE7\x8C\xAB.png"), 77);
  set_.extract();
  const FeatureSet features = FeatureSet::open(set_.features, "train", 0);
  EXPECT_EQ(features.files()[5], "c0/the \"old\" \xE7\x8C\xAB.png");
}

TEST_F(ExtractTest, AnUnwritableFolderIsAnIoError) {
  test::write_bytes(set_.features, "a file where the folder should be");
  try {
    set_.extract();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
  }
}

}  // namespace
}  // namespace graft
