// Files that are kept between their check and their decoding.

#include "engine/dataset/kept_files.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/base/file.h"
#include "engine/dataset/dataset.h"
#include "tests/support/files.h"
#include "tests/support/image_files.h"
#include "tests/support/recording_observer.h"
#include "tests/support/support.h"

namespace graft {
namespace {

KeptFile file_of(std::size_t size) {
  return {std::vector<std::byte>(size, std::byte{7}), 2 * size};
}

TEST(KeptFiles, GivesAwayEachFileOnce) {
  KeptFiles kept(100);
  kept.add({1, 1}, file_of(10));
  kept.add({1, 1}, file_of(10));
  kept.add({2, 2}, file_of(20));
  const auto file = kept.take({2, 2});
  ASSERT_TRUE(file);
  EXPECT_EQ(file->bytes, file_of(20).bytes);
  EXPECT_EQ(file->decoding_memory, 40U);
  EXPECT_FALSE(kept.take({2, 2}));
  EXPECT_TRUE(kept.take({1, 1}));
  EXPECT_TRUE(kept.take({1, 1}));  // of a copy
  EXPECT_FALSE(kept.take({1, 1}));
}

TEST(KeptFiles, KeepsWhatFits) {
  KeptFiles kept(30);
  kept.add({1, 1}, file_of(20));
  kept.add({2, 2}, file_of(11));
  kept.add({3, 3}, file_of(10));
  EXPECT_TRUE(kept.take({1, 1}));
  EXPECT_FALSE(kept.take({2, 2}));
  EXPECT_TRUE(kept.take({3, 3}));
}

TEST(KeptFiles, FreesAllButTheNeeded) {
  KeptFiles kept(100);
  for (std::uint64_t i = 0; i < 5; ++i) kept.add({i, i}, file_of(10));
  kept.keep_only({{1, 1}, {3, 3}, {9, 9}});
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(kept.take({i, i}).has_value(), i % 2 == 1) << i;
}

TEST(KeptFiles, AreTheGoodFilesOfTheDatasets) {
  const test::TemporaryFolder folder;
  for (unsigned i = 0; i < 40; ++i)
    test::write_png(folder.path() / test::numbered(i % 2 == 0 ? "a/" : "b/", i, ".png"), i);
  test::write_bytes(folder.path() / "a/bad.png", "no image");
  DataConfig data;
  data.train = folder.path();
  data.validation_split = 0.3;
  data.on_bad_image = OnBadImage::skip;
  test::RecordingObserver observer;
  KeptFiles kept(std::uint64_t{1} << 30);
  const Datasets datasets = read_datasets(data, 4, observer, {}, {.kept = &kept});
  std::size_t files = 0;
  for (const Dataset* dataset : {&datasets.train, &datasets.validation}) {
    for (const Sample& sample : dataset->samples) {
      const auto file = kept.take(sample.content);
      ASSERT_TRUE(file) << sample.file;
      EXPECT_EQ(file->bytes, read_file(dataset->root / sample.file, 1 << 20)) << sample.file;
      EXPECT_GT(file->decoding_memory, file->bytes.size());
      ++files;
    }
  }
  EXPECT_EQ(files, 40U);
  EXPECT_FALSE(kept.take(digest_of("no image")));
}

}  // namespace
}  // namespace graft
