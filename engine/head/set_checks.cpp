#include "engine/head/set_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {
namespace {

constexpr double largest_fair_share = 0.8;

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> sentence, Arguments&&... arguments) {
  throw Error(ErrorKind::data,
              printable(fmt::format(sentence, std::forward<Arguments>(arguments)...)));
}

void check_set(const LabelledFeatures& set, const std::string& name) {
  const FeatureView& view = set.features;
  if (view.rows == 0) {
    refuse("The {} set has no images; training needs at least one.", name);
  }
  if (view.rows > std::numeric_limits<std::uint32_t>::max()) {
    refuse("The {} set has {} rows; at most 2^32 - 1 can be used.", name, view.rows);
  }
  if (set.labels.size() * set.views != view.rows || set.files.size() != set.labels.size() ||
      view.columns != set.shape.count()) {
    refuse(
        "The {} set does not fit together: {} rows of {} values, {} labels, {} file names, {} rows "
        "of {} values an image; extract the features again.",
        name, view.rows, view.columns, set.labels.size(), set.files.size(), set.views,
        set.shape.count());
  }
  if (set.classes.size() < 2) {
    refuse("The {} set has {} class; a classifier needs at least two folders of images.", name,
           set.classes.size());
  }
  for (std::size_t photo = 0; photo < set.labels.size(); ++photo) {
    if (set.labels[photo] >= set.classes.size()) {
      refuse(
          "{} in the {} set has the label {}, and there are {} classes; extract the features "
          "again.",
          set.files[photo], name, set.labels[photo], set.classes.size());
    }
  }
}

}  // namespace

void check_sets(const LabelledFeatures& train, const LabelledFeatures& validation) {
  check_set(train, "training");
  check_set(validation, "validation");
  if (!std::ranges::equal(train.classes, validation.classes)) {
    refuse(
        "The training and the validation set have different classes; both folders need the same "
        "sub-folders.");
  }
  if (train.shape != validation.shape || train.views != validation.views) {
    refuse(
        "The training and the validation features have different shapes; extract both again with "
        "one config.");
  }
  const std::string change = describe_change(train.key, validation.key);
  if (!change.empty()) {
    refuse(
        "The validation features were not computed as the training features were ({}); run `graft "
        "extract` to make both alike.",
        change);
  }
}

void warn_of_imbalance(const LabelledFeatures& set, const std::string& name, Observer& observer) {
  std::vector<std::size_t> counts(set.classes.size());
  for (const std::uint32_t label : set.labels) ++counts[label];
  const auto largest = std::ranges::max_element(counts);
  const double share = static_cast<double>(*largest) / static_cast<double>(set.labels.size());
  if (share <= largest_fair_share) return;
  const std::string class_name =
      printable(set.classes[static_cast<std::size_t>(largest - counts.begin())]);
  observer.warn(fmt::format(
      "{:.1f} % of the {} images are of class \"{}\": always saying \"{}\" reaches an accuracy of "
      "{:.4f}. Judge the result by the recall of each class; add images of the others, or set "
      "train.class_weights to \"balanced\".",
      100.0 * share, name, class_name, class_name, share));
}

void check_class_weights(const ClassWeights& weights, std::span<const std::string> classes) {
  for (const auto& [name, weight] : weights.given) {
    if (std::ranges::find(classes, name) != classes.end()) continue;
    throw Error(ErrorKind::usage,
                "train.class_weights: there is no class \"{}\"; the classes are {}.",
                printable(name), printable(fmt::format("{}", fmt::join(classes, ", ")), 1000));
  }
}

void check_finite(const LabelledFeatures& set, const std::string& name) {
  for (std::size_t row = 0; row < set.features.rows; ++row) {
    const float* values = set.features.row(row);
    if (!std::all_of(values, values + set.features.columns,
                     [](float v) { return std::isfinite(v); })) {
      refuse(
          "The {} features of {} (row {}) hold a value that is not finite; remove the folder of "
          "features and extract them again.",
          name, set.files[row / set.views], row);
    }
  }
}

}  // namespace graft
