#include "engine/report/metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

namespace graft {

Interval wilson_interval(std::uint64_t successes, std::uint64_t count) {
  constexpr double z = 1.959963984540054;  // 97.5 % of a normal distribution are below
  const double n = static_cast<double>(count);
  const double share = static_cast<double>(successes) / n;
  const double centre = share + z * z / (2 * n);
  const double half = z * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  // At the ends rounding can leave a difference of 1e-17.
  return {successes == 0 ? 0.0 : (centre - half) / scale,
          successes == count ? 1.0 : (centre + half) / scale};
}

std::vector<Cut> cuts_of(std::span<const float> probabilities,
                         std::span<const std::uint32_t> labels, std::size_t classes,
                         std::uint32_t class_index) {
  std::vector<std::pair<float, bool>> images;  // probability, whether it is of the class
  images.reserve(labels.size());
  for (std::size_t row = 0; row < labels.size(); ++row) {
    images.emplace_back(probabilities[row * classes + class_index], labels[row] == class_index);
  }
  std::sort(images.begin(), images.end(), std::greater<>());
  std::vector<Cut> cuts;
  Cut cut;
  for (const auto& [probability, is_of_class] : images) {
    if (cuts.empty() || cut.probability != probability) cuts.emplace_back();
    cut.probability = probability;
    ++(is_of_class ? cut.of_class : cut.others);
    cuts.back() = cut;
  }
  return cuts;
}

std::optional<double> roc_auc(std::span<const Cut> cuts) {
  const Cut all = cuts.empty() ? Cut() : cuts.back();
  if (all.of_class == 0 || all.others == 0) return std::nullopt;
  std::uint64_t twice = 0;
  Cut last;
  for (const Cut& cut : cuts) {
    twice += (cut.others - last.others) * (cut.of_class + last.of_class);
    last = cut;
  }
  return static_cast<double>(twice) / 2 / static_cast<double>(all.of_class * all.others);
}

std::optional<Threshold> best_threshold(std::span<const Cut> cuts) {
  std::optional<Threshold> best;
  if (!roc_auc(cuts)) return best;
  const Cut& all = cuts.back();
  std::uint64_t best_score = 0;  // twice the balanced accuracy × both counts: equals are equal
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    const double lower = cuts[i + 1].probability, higher = cuts[i].probability;
    const double value = lower <= 0.5 && 0.5 < higher ? 0.5 : (lower + higher) / 2;
    const std::uint64_t score =
        cuts[i].of_class * all.others + (all.others - cuts[i].others) * all.of_class;
    if (best && (score < best_score ||
                 (score == best_score && std::abs(value - 0.5) >= std::abs(best->value - 0.5))))
      continue;
    best_score = score;
    best = {value, static_cast<double>(score) / 2 / static_cast<double>(all.of_class * all.others)};
  }
  return best;
}

}  // namespace graft
