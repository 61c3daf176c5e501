// Opening what an extraction wrote.

#include <gmock/gmock.h>

#include <filesystem>
#include <tuple>

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

TEST(FeatureSet, AFlippedBitAnywhereIsRefusedOrHarmless) {
  const TemporaryFolder folder;
  SmallSet set(folder.path(), 2, 2);
  set.extract();
  const auto opened = [&] {
    const FeatureSet features = FeatureSet::open(set.features, "train", 0);
    const FeatureView view = features.view();
    return std::tuple(std::vector(view.data, view.row(view.rows)), features.labels(),
                      features.files(), features.fingerprint());
  };
  const auto expected = opened();
  for (const char* name : {"train.npy", "train.labels.npy", "train.files.json"}) {
    const std::string good = test::read_bytes(set.result(name));
    std::size_t refused = 0, harmless = 0;
    for (std::size_t at = 0; at < good.size(); at += 3) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
      test::write_bytes(set.result(name), bad);
      try {
        EXPECT_EQ(opened(), expected) << name << ", byte " << at;
        ++harmless;
      } catch (const Error&) {
        ++refused;
      }
    }
    EXPECT_LE(harmless, 40U) << name << ": at most the blanks of a .npy header";
    EXPECT_GT(refused, 9U) << name;
    test::write_bytes(set.result(name), good);
  }
}

TEST(FeatureSet, SaysThatThereIsNone) {
  const TemporaryFolder folder;
  EXPECT_THAT(test::error_of([&] { FeatureSet::open(folder.path(), "train", 0); }),
              HasSubstr("there are no features"));
}

}  // namespace
}  // namespace graft
