// The statistics of features, heads that are folded, and runs on normalised features.

#include "engine/head/normalize.h"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/base/error.h"
#include "tests/support/support.h"
#include "training_support.h"

namespace graft::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::size_t columns = 10;
// Groups of 4, 1 and 5 columns.
const std::vector<FeatureGroup> groups = {{Layer::block4, Pooling::average, 0, 4},
                                          {Layer::block4, Pooling::max, 4, 1},
                                          {Layer::block5, Pooling::average, 5, 5}};
const std::vector<std::uint32_t> rows = {6, 0, 3, 4, 2};  // of 7

// Each group about a mean and with a deviation of its own.
std::vector<float> made_values() {
  std::vector<float> values = random_values(7 * columns, 1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t column = i % columns;
    values[i] = column < 4    ? values[i] * 100.0F + 30.0F
                : column == 4 ? values[i]
                              : values[i] + 8.0F;
  }
  return values;
}

Normalization normalized(Normalize kind, const std::vector<float>& values) {
  return normalization_of(kind, {values.data(), 7, columns}, rows, groups);
}

// The definition, a pass for each number.
double mean_of(const std::vector<float>& values, std::size_t column) {
  double sum = 0.0;
  for (const std::uint32_t row : rows) sum += values[row * columns + column];
  return sum / static_cast<double>(rows.size());
}
double root_of(const std::vector<float>& values, const FeatureGroup& group, bool centred) {
  double sum = 0.0;
  for (std::size_t c = group.first; c < group.first + group.columns; ++c) {
    const double mean = centred ? mean_of(values, c) : 0.0;
    for (const std::uint32_t row : rows) sum += std::pow(values[row * columns + c] - mean, 2);
  }
  return std::sqrt(sum / static_cast<double>(rows.size() * group.columns));
}

void expect_definition(const std::vector<float>& values, bool centred) {
  const auto [mean, scale] = normalized(centred ? Normalize::standard : Normalize::rms, values);
  for (const FeatureGroup& group : groups) {
    for (std::size_t c = group.first; c < group.first + group.columns; ++c) {
      EXPECT_FLOAT_EQ(mean.at(c), static_cast<float>(centred ? mean_of(values, c) : 0.0));
      EXPECT_FLOAT_EQ(scale.at(c), static_cast<float>(1.0 / root_of(values, group, centred)));
    }
  }
}

TEST(Normalization, IsThatOfEachGroupOverTheChosenRows) {
  const std::vector<float> values = made_values();
  expect_definition(values, false);
  expect_definition(values, true);
  EXPECT_THAT(normalized(Normalize::none, values).scale, IsEmpty());
}

TEST(Normalization, OfFeaturesThatDoNotVaryIsFinite) {
  const auto standard = normalized(Normalize::standard, std::vector<float>(7 * columns, 0.1F));
  EXPECT_THAT(standard.mean, Each(0.1F));
  EXPECT_THAT(standard.scale, Each(1.0F));
  EXPECT_THAT(normalized(Normalize::rms, std::vector<float>(7 * columns)).scale, Each(1.0F));
}

TEST(Normalization, KeepsTheDigitsOfFeaturesThatHardlyVary) {
  std::vector<float> values = random_values(7 * columns, 2, 1.0F);
  for (float& value : values) value = 1e5F + std::round(value * 64.0F) / 64.0F;
  expect_definition(values, true);
}

TEST(Folding, GivesTheHeadThatNeedsNoNormalization) {
  HeadOptions options;
  options.inputs = columns;
  options.hidden = {6};
  options.classes = 3;
  const std::vector<float> values = made_values();
  for (const Normalize kind : {Normalize::rms, Normalize::standard}) {
    const Normalization by = normalized(kind, values);
    HeadState state = initial_head_state(options);
    std::ranges::fill(state.parameters[0].bias, 0.25F);
    const auto predicted = [&](const std::vector<DenseParameters>& parameters, bool before) {
      std::vector<float> features = values, probabilities(7 * 3);
      for (std::size_t i = 0; before && i < features.size(); ++i) {
        features[i] = (features[i] - by.mean[i % columns]) * by.scale[i % columns];
      }
      reference::ReferenceHead head(options);
      head.set_state({parameters, {}});
      head.predict({features.data(), 7, columns}, probabilities);
      return probabilities;
    };
    EXPECT_TRUE(nearly_equal(predicted(folded(state.parameters, by), false),
                             predicted(state.parameters, true), 1e-5));
  }
}

// Of the features of a layer's maxima; the config is theirs.
Config pooled_config(Normalize kind) {
  Config config = small_config();
  config.features.source = {{Layer::block1}, Pooling::max};
  config.features.normalize = kind;
  return config;
}
SmallSet pooled_set(std::size_t photos, std::uint64_t seed) {
  SmallSet set(photos, 2, seed, {1, 1, 64, true});
  for (std::size_t i = 0; i < set.values.size(); ++i) set.values[i] = 50.0F * set.values[i] + 70.0F;
  return set;
}

TEST(NormalizedTraining, SavesTheHeadThatTheHistoryMeasured) {
  for (const Normalize kind : {Normalize::none, Normalize::rms, Normalize::standard}) {
    const TemporaryFolder folder;
    const Config config = pooled_config(kind);
    const SmallSet train = pooled_set(22, 1), validation = pooled_set(9, 2);
    const auto backend = make_backend("cpu", 1);
    SilentObserver silent;
    const History history =
        train_head({*backend, silent}, train.view(), validation.view(), config, {folder.path()});
    const TrainedHead saved = load_head(folder / "head.safetensors");
    const auto head = backend->make_head(head_options(config, 64, 2));
    head->set_state({saved.parameters, {}});
    head->set_validation_data(validation.view().features, validation.labels);
    const Totals totals = head->evaluate();
    EXPECT_EQ(totals.loss(), history.back().val_loss);
    EXPECT_EQ(totals.accuracy(), history.back().val_accuracy);
  }
}

TEST(NormalizedTraining, IsTrainingOnRowsThatWereNormalizedBefore) {
  const TemporaryFolder folder, other_folder;
  SmallRun run, other;
  run.config = other.config = pooled_config(Normalize::standard);
  run.train = other.train = pooled_set(22, 1);
  run.validation = other.validation = pooled_set(9, 2);
  const std::vector<FeatureGroup> all = {{Layer::block1, Pooling::max, 0, 64}};
  std::vector<std::uint32_t> every(22);
  for (std::uint32_t row = 0; row < 22; ++row) every[row] = row;
  const Normalization by =
      normalization_of(Normalize::standard, run.train.view().features, every, all);
  for (SmallSet* set : {&other.train, &other.validation}) {
    for (std::size_t i = 0; i < set->values.size(); ++i) {
      set->values[i] = (set->values[i] - by.mean[i % 64]) * by.scale[i % 64];
    }
  }
  other.config.features.normalize = Normalize::none;
  const History history = run.into(folder.path()), expected = other.into(other_folder.path());
  for (std::size_t epoch = 0; epoch < history.size(); ++epoch) {
    EXPECT_EQ(history[epoch].loss, expected[epoch].loss);
    EXPECT_NEAR(history[epoch].val_loss, expected[epoch].val_loss, 1e-4);
  }
}

TEST(NormalizedTraining, RefusesFeaturesOfOtherLayers) {
  const TemporaryFolder folder;
  SmallRun run;
  run.config = pooled_config(Normalize::rms);
  run.config.features.source.layers = {Layer::block1, Layer::block2};
  run.train = pooled_set(22, 1);
  run.validation = pooled_set(9, 2);
  EXPECT_THAT(error_of(ErrorKind::data, [&] { run.into(folder.path()); }),
              AllOf(HasSubstr("have 1 x 64 values an image"), HasSubstr("stand for 1 x 192"),
                    HasSubstr("run `graft extract`")));
}

}  // namespace
}  // namespace graft::test
