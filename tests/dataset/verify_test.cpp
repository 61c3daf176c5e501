// Reading a data set: every file is read once, bad ones are named or skipped.

#include "engine/dataset/verify.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include "engine/base/error.h"
#include "engine/dataset/dataset.h"
#include "engine/image/image.h"
#include "tests/support/files.h"
#include "tests/support/image_files.h"
#include "tests/support/recording_observer.h"
#include "tests/support/support.h"

namespace graft {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::png_bytes;
using test::RecordingObserver;
using test::TemporaryFolder;
using test::write_bytes;
using test::write_png;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// train and validation with two images of each of two classes.
void write_small_set(const TemporaryFolder& folder) {
  unsigned seed = 0;
  for (const char* side : {"train", "validation"}) {
    for (const char* name : {"cats/1.png", "cats/2.png", "dogs/1.png", "dogs/2.png"}) {
      write_png(folder.path() / side / name, ++seed);
    }
  }
}

DataConfig config_of(const TemporaryFolder& folder, OnBadImage on_bad_image = OnBadImage::stop) {
  DataConfig data;
  data.train = folder / "train";
  data.validation = folder / "validation";
  data.on_bad_image = on_bad_image;
  return data;
}

Datasets read(const DataConfig& data, Observer& observer, std::size_t threads = 2) {
  return read_datasets(data, threads, observer, {});
}

TEST(ReadDatasets, GivesFilesLabelsAndDigestsInKerasOrder) {
  const TemporaryFolder folder;
  write_small_set(folder);
  RecordingObserver observer;
  const Datasets datasets = read(config_of(folder), observer);
  EXPECT_THAT(datasets.train.classes, ElementsAre("cats", "dogs"));
  ASSERT_EQ(datasets.train.samples.size(), 4U);
  EXPECT_EQ(datasets.train.samples[0].file, "cats/1.png");
  EXPECT_EQ(datasets.train.samples[3].file, "dogs/2.png");
  EXPECT_EQ(datasets.train.samples[1].label, 0U);
  EXPECT_EQ(datasets.train.samples[2].label, 1U);
  EXPECT_EQ(datasets.train.samples[2].content, digest_of(png_bytes(3)));
  EXPECT_EQ(datasets.validation.samples[0].content, digest_of(png_bytes(5)));
  EXPECT_EQ(datasets.validation.root, folder / "validation");
  EXPECT_THAT(observer.stages, ElementsAre("check/train", "check/validation"));
  EXPECT_FALSE(observer.misused);
  EXPECT_TRUE(observer.warnings.empty());
}

TEST(ReadDatasets, IsTheSameForAnyNumberOfThreads) {
  const TemporaryFolder folder;
  write_small_set(folder);
  for (unsigned i = 0; i < 60; ++i) {
    write_png(folder / "train" / "cats" / test::numbered("", i, "x.png"), 100 + i);
  }
  write_bytes(folder / "train" / "cats" / "bad.png", "no image");
  RecordingObserver observer;
  const Datasets one = read(config_of(folder, OnBadImage::skip), observer, 1);
  for (const std::size_t threads : {2, 5}) {
    const Datasets many = read(config_of(folder, OnBadImage::skip), observer, threads);
    ASSERT_EQ(many.train.samples.size(), one.train.samples.size());
    for (std::size_t i = 0; i < one.train.samples.size(); ++i) {
      EXPECT_EQ(many.train.samples[i].file, one.train.samples[i].file);
      EXPECT_EQ(many.train.samples[i].content, one.train.samples[i].content);
    }
    ASSERT_EQ(many.train.skipped.size(), 1U);
  }
  EXPECT_FALSE(observer.misused);
}

TEST(ReadDatasets, StopNamesBadFilesWithReasonsAndWhatToDo) {
  const TemporaryFolder folder;
  write_small_set(folder);
  write_bytes(folder / "train" / "cats" / "note.png", "this is no image");
  RecordingObserver observer;
  try {
    read(config_of(folder), observer);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data);
    EXPECT_THAT(error.what(), HasSubstr("1 of 9 files cannot be read as images"));
    EXPECT_THAT(error.what(), HasSubstr("\"skip\""));
    EXPECT_THAT(error.what(), HasSubstr((folder / "train/cats/note.png").string() + ": "));
  }
}

// The error that reading the data set ends with, also where bad images are skipped.
Error failure_of(const TemporaryFolder& folder) {
  std::string stopped;
  for (const OnBadImage on_bad_image : {OnBadImage::stop, OnBadImage::skip}) {
    RecordingObserver observer;
    try {
      read(config_of(folder, on_bad_image), observer);
    } catch (const Error& error) {
      if (on_bad_image == OnBadImage::skip && error.what() == stopped) return error;
      stopped = error.what();
    }
  }
  return {ErrorKind::usage, "no error, or not twice the same: " + stopped};
}

TEST(ReadDatasets, WhatIsNotTheContentsFaultIsNeverABadImage) {
  const TemporaryFolder folder;
  write_small_set(folder);
  const fs::path link = folder / "validation" / "dogs" / "link.png";
  fs::create_symlink(folder / "nowhere", link);
  const Error linked = failure_of(folder);
  EXPECT_EQ(linked.kind(), ErrorKind::io);
  EXPECT_THAT(linked.what(), HasSubstr(link.string() + ": it is a link to nothing"));
  fs::remove(link);

  write_png(folder / "train" / "cats" / "caf\xE9.png", 50);
  const Error named = failure_of(folder);
  EXPECT_EQ(named.kind(), ErrorKind::data);
  EXPECT_THAT(named.what(), HasSubstr("caf\\xe9.png is not UTF-8"));
  EXPECT_THAT(named.what(), HasSubstr("rename it"));
  fs::remove(folder / "train" / "cats" / "caf\xE9.png");

  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(0);  // descriptors below are in use; folders are listed with one more
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  RecordingObserver observer;
  const ScannedFolder scanned{folder.path(), {{"cats", {"train/cats/1.png"}, {}}}, {}};
  std::string problem;
  ErrorKind kind = ErrorKind::usage;
  try {
    verify_files(scanned, config_of(folder), "train", "check", 1, observer, {});
  } catch (const Error& error) {
    kind = error.kind();
    problem = error.what();
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(kind, ErrorKind::io);
  EXPECT_THAT(problem, HasSubstr("Too many open files"));
}

TEST(ReadDatasets, ALargeFileThatIsNoImageIsNotRead) {
  const TemporaryFolder folder;
  write_small_set(folder);
  const fs::path sparse = folder / "train" / "cats" / "0.jpg";
  write_bytes(sparse, "");
  fs::resize_file(sparse, maximum_image_file_bytes);
  const fs::path beyond = folder / "train" / "cats" / "00.jpg";
  write_bytes(beyond, "\xFF\xD8\xFF");
  fs::resize_file(beyond, std::uint64_t{64} << 20);
  DataConfig data = config_of(folder, OnBadImage::skip);
  data.decode_memory_mib = 16;  // so both are refused before they are read
  RecordingObserver observer;
  const Datasets datasets = read(data, observer);
  ASSERT_EQ(datasets.train.skipped.size(), 2U);
  EXPECT_THAT(datasets.train.skipped[0].reason, HasSubstr("zero bytes"));
  EXPECT_THAT(datasets.train.skipped[1].reason, HasSubstr("pipeline.decode_memory_mib allows 16"));
}

TEST(ReadDatasets, StopNamesTwentyAndCountsTheRest) {
  const TemporaryFolder folder;
  write_small_set(folder);
  for (unsigned i = 10; i < 33; ++i) {
    write_bytes(folder / "train" / "cats" / test::numbered("bad", i, ".png"), "no image");
  }
  RecordingObserver observer;
  const std::string message = error_of([&] { read(config_of(folder), observer); });
  EXPECT_THAT(message, HasSubstr("bad29.png"));
  EXPECT_THAT(message, Not(HasSubstr("bad30.png")));
  EXPECT_THAT(message, HasSubstr("and 3 more"));
}

TEST(ReadDatasets, SkipListsBadFilesAndKeepsTheOthers) {
  const TemporaryFolder folder;
  write_small_set(folder);
  write_bytes(folder / "train" / "cats" / "0.png", "no image");
  write_bytes(folder / "train" / "dogs" / "empty.png", "");
  RecordingObserver observer;
  const Datasets datasets = read(config_of(folder, OnBadImage::skip), observer);
  ASSERT_EQ(datasets.train.skipped.size(), 2U);
  EXPECT_EQ(datasets.train.skipped[0].file, "cats/0.png");
  EXPECT_EQ(datasets.train.skipped[1].file, "dogs/empty.png");
  EXPECT_FALSE(datasets.train.skipped[1].reason.empty());
  ASSERT_EQ(datasets.train.samples.size(), 4U);
  EXPECT_EQ(datasets.train.samples[0].file, "cats/1.png");
  ASSERT_EQ(observer.warnings.size(), 1U);
  EXPECT_THAT(observer.warnings[0], HasSubstr("2 of 10 files"));
}

TEST(ReadDatasets, AnUnreadableFileIsNamedWithTheSystemsReason) {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::all);
  write_small_set(folder);
  fs::permissions(folder / "train" / "cats" / "1.png", fs::perms::none);
  const test::WithoutPrivileges user;
  if (!user.bound()) GTEST_SKIP() << "permissions do not bind this user";
  RecordingObserver observer;
  EXPECT_THAT(error_of([&] { read(config_of(folder, OnBadImage::skip), observer); }),
              HasSubstr("cats/1.png: Permission denied"));
}

TEST(ReadDatasets, AClassWithBadFilesOnlyIsAnError) {
  const TemporaryFolder folder;
  write_small_set(folder);
  write_bytes(folder / "train" / "cats" / "1.png", "no image");
  write_bytes(folder / "train" / "cats" / "2.png", "no image");
  RecordingObserver observer;
  EXPECT_THAT(error_of([&] { read(config_of(folder, OnBadImage::skip), observer); }),
              HasSubstr("no file of the class 'cats'"));
}

TEST(ReadDatasets, ClassesThatDifferAreNamedBeforeAnyFileIsRead) {
  const TemporaryFolder folder;
  write_small_set(folder);
  fs::rename(folder / "validation" / "dogs", folder / "validation" / "Dogs");
  RecordingObserver observer;
  EXPECT_THAT(error_of([&] { read(config_of(folder), observer); }),
              HasSubstr("'dogs' is missing in"));
  EXPECT_TRUE(observer.stages.empty());
}

TEST(ReadDatasets, AStopEndsWithInterrupted) {
  const TemporaryFolder folder;
  write_small_set(folder);
  std::stop_source stop;
  stop.request_stop();
  RecordingObserver observer;
  try {
    read_datasets(config_of(folder), 2, observer, stop.get_token());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  }
}

}  // namespace
}  // namespace graft
