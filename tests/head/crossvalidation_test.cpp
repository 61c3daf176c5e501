// Folds, and what is trained and judged on them.

#include "engine/job/crossvalidation.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "engine/base/error.h"
#include "engine/base/json.h"
#include "tests/support/support.h"
#include "training_support.h"

namespace graft::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- Folds ----

const std::vector<std::string> three_classes = {"a", "b", "c"};

struct Photo {
  std::uint32_t label;
  Digest content;
};

std::vector<std::size_t> folds_of(const std::vector<Photo>& photos, std::size_t folds) {
  std::vector<std::uint32_t> labels;
  std::vector<Digest> contents;
  for (const auto& [label, content] : photos) {
    labels.push_back(label);
    contents.push_back(content);
  }
  return stratified_folds(labels, contents, three_classes, folds);
}

// 41 different photos of class a, 23 of b and 10 of c, of which some are there twice, in any order.
std::vector<Photo> made_photos() {
  std::vector<Photo> photos;
  const auto add = [&](std::uint32_t label, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      photos.push_back({label, digest_of(std::to_string(1000 * label + i))});
      if (i % 4 == 0) photos.push_back(photos.back());
    }
  };
  add(0, 41);
  add(1, 23);
  add(2, 10);
  std::ranges::shuffle(photos, std::mt19937(1));
  return photos;
}

TEST(Folds, DifferByAtMostOnePhotoOfAClassAndInAll) {
  const std::vector<Photo> photos = made_photos();
  for (const std::size_t folds : {2, 3, 5, 10}) {
    const auto fold_of = folds_of(photos, folds);
    std::vector<std::set<Digest>> all(folds);
    std::vector<std::vector<std::set<Digest>>> of_class(3, all);
    for (std::size_t i = 0; i < photos.size(); ++i) {
      all.at(fold_of[i]).insert(photos[i].content);
      of_class[photos[i].label].at(fold_of[i]).insert(photos[i].content);
    }
    of_class.push_back(all);
    for (const auto& sets : of_class) {
      const auto [least, most] =
          std::ranges::minmax(sets, {}, [](const auto& s) { return s.size(); });
      EXPECT_LE(most.size() - least.size(), 1U) << folds << " folds";
    }
  }
}

TEST(Folds, HoldEqualPhotosTogetherAlsoOfDifferentLabels) {
  std::vector<Photo> photos = made_photos();
  const std::size_t before = photos.size();
  for (std::size_t i = 0; i < before; i += 5)
    photos.push_back({(photos[i].label + 1) % 3, photos[i].content});
  const auto fold_of = folds_of(photos, 5);
  std::map<Digest, std::size_t> first;
  for (std::size_t i = 0; i < photos.size(); ++i) {
    EXPECT_EQ(first.emplace(photos[i].content, fold_of[i]).first->second, fold_of[i]);
  }
}

TEST(Folds, DependOnContentsAndNotOnTheOrderOfPhotos) {
  std::vector<Photo> photos = made_photos();
  std::map<Digest, std::size_t> expected;
  const auto fold_of = folds_of(photos, 5);
  for (std::size_t i = 0; i < photos.size(); ++i) expected[photos[i].content] = fold_of[i];
  std::ranges::shuffle(photos, std::mt19937(2));
  const auto again = folds_of(photos, 5);
  for (std::size_t i = 0; i < photos.size(); ++i) EXPECT_EQ(again[i], expected[photos[i].content]);
}

TEST(Folds, AreNoMoreThanTheSmallestClassHasDifferentPhotos) {
  EXPECT_EQ(folds_of(made_photos(), 10).size(), made_photos().size());
  EXPECT_THAT(error_of(ErrorKind::data, [] { folds_of(made_photos(), 11); }),
              AllOf(HasSubstr("class \"c\" has 10 different images"), HasSubstr("the 11 folds"),
                    HasSubstr("smaller --folds")));
}

// ---- Training on folds ----

using Row = std::vector<float>;

// What a head was trained on and what it judged.
struct Seen {
  std::set<Row> trained, judged;
  std::size_t judged_rows = 0;
};

class WatchedHead final : public Head {
 public:
  WatchedHead(const HeadOptions& options, Seen& seen) : head_(options), seen_(seen) {}
  void set_state(const HeadState& state) override { head_.set_state(state); }
  HeadState state() override { return head_.state(); }
  void set_training_data(FeatureView features, std::span<const std::uint32_t> labels,
                         const Normalization& normalization) override {
    features_ = features;
    head_.set_training_data(features, labels, normalization);
  }
  void begin_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step) override {
    for (const std::uint32_t row : order) seen_.trained.insert(row_of(features_, row));
    head_.begin_epoch(order, first_step);
  }
  void train_step() override { head_.train_step(); }
  Totals take_totals() override { return head_.take_totals(); }
  void set_validation_data(FeatureView features, std::span<const std::uint32_t> labels) override {
    head_.set_validation_data(features, labels);
  }
  Totals evaluate() override { return head_.evaluate(); }
  void predict(FeatureView features, std::span<float> probabilities) override {
    for (std::size_t row = 0; row < features.rows; ++row)
      seen_.judged.insert(row_of(features, row));
    seen_.judged_rows += features.rows;
    head_.predict(features, probabilities);
  }

 private:
  static Row row_of(FeatureView features, std::size_t row) {
    return {features.row(row), features.row(row) + features.columns};
  }
  reference::ReferenceHead head_;
  Seen& seen_;
  FeatureView features_;
};

// Two sets of two views a photo, 22 and 18 rows. Photo 3 is in both, with another label.
struct FoldedRun {
  FoldedRun() {
    run.train.pair_rows();
    run.validation = {18, 2, 12};
    run.validation.pair_rows();
    std::copy_n(run.train.values.begin() + 3 * 12, 12, run.validation.values.begin() + 4 * 12);
    run.validation.contents[4] = run.train.contents[3];
    run.validation.labels[4] = 1 - run.train.labels[3];
    run.config.data.views = {View::original, View::horizontal};
    run.config.train.class_weights.kind = ClassWeights::Kind::balanced;
    for (std::size_t i = 0; i < 9; ++i) {
      if (i != 4) run.validation.contents[i] = digest_of("validation " + std::to_string(i));
    }
  }
  CrossValidation operator()(std::size_t folds, std::size_t seeds) {
    HeadBackend backend([&](const HeadOptions& options) {
      options_seen.push_back(options);
      return std::make_unique<WatchedHead>(options, seen.emplace_back());
    });
    return crossvalidate({backend, run.observer, nullptr, run.stop.get_token()}, run.train.view(),
                         run.validation.view(), run.config, folds, seeds);
  }
  SmallRun run;
  std::deque<Seen> seen;  // of each head
  std::vector<HeadOptions> options_seen;
};

TEST(CrossValidation, JudgesEveryPhotoOnceForEachSeedByAHeadThatNeverSawIt) {
  FoldedRun folded;
  const CrossValidation result = folded(3, 2);
  ASSERT_EQ(folded.seen.size(), 6U);
  for (std::size_t seed = 0; seed < 2; ++seed) {
    std::set<Row> judged;
    std::size_t rows = 0, images = 0;
    for (std::size_t fold = 0; fold < 3; ++fold) {
      const Seen& seen = folded.seen[seed * 3 + fold];
      std::vector<Row> both;
      std::ranges::set_intersection(seen.trained, seen.judged, std::back_inserter(both));
      EXPECT_THAT(both, IsEmpty());
      EXPECT_EQ(seen.trained.size() + seen.judged.size(), 38U);  // 40 rows, 2 of them twice
      judged.insert(seen.judged.begin(), seen.judged.end());
      rows += seen.judged_rows;
      images += result.folds[seed * 3 + fold].images;
      EXPECT_EQ(folded.options_seen[seed * 3 + fold].seed, 5 + seed);
      EXPECT_EQ(result.folds[seed * 3 + fold].seed, 5 + seed);
      EXPECT_EQ(result.folds[seed * 3 + fold].number, fold + 1);
    }
    EXPECT_EQ(judged.size(), 38U);
    EXPECT_EQ(rows, 40U);
    EXPECT_EQ(images, 20U);
  }
}

// The same photos in the same order as two sets, trained and validated as `graft train` does.
TEST(CrossValidation, OfAFoldIsARunOnItsPhotosWithItsOwnWeightsAndStatistics) {
  FoldedRun folded;
  const CrossValidation result = folded(3, 1);
  const SmallSet &train = folded.run.train, &validation = folded.run.validation;
  std::vector<std::uint32_t> labels = train.labels;
  labels.insert(labels.end(), validation.labels.begin(), validation.labels.end());
  std::vector<Digest> contents = train.contents;
  contents.insert(contents.end(), validation.contents.begin(), validation.contents.end());
  const auto fold_of = stratified_folds(labels, contents, train.classes, 3);
  for (std::size_t fold = 0; fold < 3; ++fold) {
    SmallRun single;
    single.config = folded.run.config;
    for (SmallSet* set : {&single.train, &single.validation}) {
      set->values.clear();
      set->labels.clear();
      set->files.clear();
      set->views = 2;
      const bool judged = set == &single.validation;
      for (std::size_t other = 0; other < 3; ++other) {
        for (std::size_t i = 0; i < labels.size(); ++i) {
          if (fold_of[i] != other || judged != (other == fold)) continue;
          const SmallSet& from = i < 11 ? train : validation;
          const auto first = from.values.begin() + static_cast<std::ptrdiff_t>(i % 11 * 12);
          set->values.insert(set->values.end(), first, first + 12);
          set->labels.push_back(labels[i]);
          set->files.push_back("photo");
        }
      }
    }
    const TemporaryFolder folder;
    const Epoch last = single.into(folder.path()).back();
    EXPECT_EQ(result.folds[fold].figures[0], last.val_accuracy) << fold;
    EXPECT_EQ(result.folds[fold].figures[3], last.val_loss) << fold;
    EXPECT_EQ(folded.options_seen[fold].class_weights, single.heads[0].class_weights);
    EXPECT_EQ(folded.options_seen[fold].steps, single.heads[0].steps);
  }
}

TEST(CrossValidation, GivesTheSameFiguresForAnyNumberOfThreads) {
  const auto figures = [](std::size_t threads) {
    FoldedRun folded;
    folded.run.config.head.hidden = {300};
    const auto backend = make_backend("cpu", threads);
    const CrossValidation result =
        crossvalidate({*backend, folded.run.observer}, folded.run.train.view(),
                      folded.run.validation.view(), folded.run.config, 4, 2);
    return crossvalidation_json(result, folded.run.config);
  };
  EXPECT_EQ(figures(2), figures(1));
}

TEST(CrossValidation, RefusesTooManyFoldsBeforeItTrains) {
  FoldedRun folded;
  EXPECT_THAT(error_of(ErrorKind::data, [&] { folded(10, 1); }),
              HasSubstr("fewer than the 10 folds"));
  EXPECT_THAT(folded.seen, IsEmpty());
}

TEST(CrossValidation, EndsWhereItIsAskedToStopOrDiverges) {
  FoldedRun stopped;
  stopped.run.stop.request_stop();
  EXPECT_THAT(error_of(ErrorKind::interrupted, [&] { stopped(3, 1); }), HasSubstr("interrupted"));
  FoldedRun diverging;
  diverging.run.config.train.optimizer.learning_rate = 1e38;
  EXPECT_THAT(error_of(ErrorKind::usage, [&] { diverging(3, 1); }),
              HasSubstr("diverged in fold 1"));
}

TEST(CrossValidation, ReportsMeanAndDeviationOfWhatIsDefined) {
  const CrossValidation result = {
      {{1, 7, 10, {0.5, 0.25, std::nullopt, 1.0}}, {2, 7, 11, {0.75, 0.5, 0.875, 3.0}}}};
  EXPECT_EQ(crossvalidation_table(result),
            "fold       seed  images  accuracy  balanced     AUC    loss\n"
            "1             7      10    0.5000    0.2500       -  1.0000\n"
            "2             7      11    0.7500    0.5000  0.8750  3.0000\n"
            "mean                       0.6250    0.3750  0.8750  2.0000\n"
            "deviation                  0.1768    0.1768       -  1.4142\n");
  Config config;
  config.seed = 7;
  const Json json = Json::parse(crossvalidation_json(result, config));
  EXPECT_EQ(json["config"]["seed"], 7) << "it says what it measured";
  EXPECT_EQ(
      json["folds"][1].dump(),
      R"({"fold":2,"seed":7,"images":11,"accuracy":0.75,"balanced_accuracy":0.5,"auc":0.875,"loss":3.0})");
  EXPECT_TRUE(json["folds"][0]["auc"].is_null());
  EXPECT_EQ(json["mean"]["loss"], 2.0);
  EXPECT_EQ(json["deviation"]["loss"], std::sqrt(2.0));
  EXPECT_TRUE(json["deviation"]["auc"].is_null());
}

}  // namespace
}  // namespace graft::test
