// Opening what an extraction wrote.

#include <gmock/gmock.h>

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
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(FeatureSet, GivesRowsLabelsClassesAndFiles) {
  const TemporaryFolder folder;
  SmallSet set(folder.path(), 2, 2);
  set.extract();
  const FeatureSet features = FeatureSet::open(set.features, "train", 1 << 20);
  EXPECT_THAT(features.labels(), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(features.classes(), ElementsAre("c0", "c1"));
  EXPECT_THAT(features.files(), ElementsAre("c0/0.png", "c0/1.png", "c1/0.png", "c1/1.png"));
  EXPECT_EQ(features.shape(), (FeatureShape{1, 2, 512}));
  EXPECT_EQ(features.view().rows, 4U);
  EXPECT_EQ(features.view().columns, 1024U);
}

TEST(FeatureSet, MappedAndHeldValuesAreTheSame) {
  const TemporaryFolder folder;
  SmallSet set(folder.path(), 2, 3);
  set.extract();
  const std::size_t bytes = 6 * 4096;
  const FeatureSet held = FeatureSet::open(set.features, "train", bytes);
  FeatureSet mapped = FeatureSet::open(set.features, "train", bytes - 1);
  const FeatureSet moved = std::move(mapped);
  // The file can be taken away from what is held; a mapping keeps it.
  fs::remove(set.result("train.npy"));
  const std::span<const float> a(held.view().data, 6 * 1024);
  const std::span<const float> b(moved.view().data, 6 * 1024);
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
  EXPECT_GT(a[0], 0.0F);
}

TEST(FeatureSet, TheFingerprintIsOfKeyContentsAndLabels) {
  const TemporaryFolder folder;
  SmallSet set(folder.path(), 2, 3);
  const auto fingerprint = [&] {
    set.extract();
    return FeatureSet::open(set.features, "train", 0).fingerprint();
  };
  const Digest first = fingerprint();
  EXPECT_EQ(fingerprint(), first);
  fs::rename(set.image("c0/2.png"), set.image("c0/3.png"));
  EXPECT_EQ(fingerprint(), first);  // a name is no content
  fs::rename(set.image("c0/3.png"), set.image("c1/-.png"));
  const Digest relabelled = fingerprint();
  EXPECT_NE(relabelled, first);
  test::write_png(set.image("c0/1.png"), 88);
  const Digest changed = fingerprint();
  EXPECT_NE(changed, relabelled);
  set.weights = {7, 7};
  EXPECT_NE(fingerprint(), changed);
}

TEST(FeatureSet, SaysThatThereIsNone) {
  const TemporaryFolder folder;
  EXPECT_THAT(test::error_of([&] { FeatureSet::open(folder.path(), "train", 0); }),
              HasSubstr("there are no features"));
}

}  // namespace
}  // namespace graft
