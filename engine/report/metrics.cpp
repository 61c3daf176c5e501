#include "engine/report/metrics.h"

#include <algorithm>
#include <cmath>
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

OneAgainstRest one_against_rest(std::span<const float> probabilities,
                                std::span<const std::uint32_t> labels, std::size_t classes,
                                std::uint32_t class_index) {
  std::vector<std::pair<float, bool>> images;  // probability, whether it is of the class
  images.reserve(labels.size());
  for (std::size_t row = 0; row < labels.size(); ++row) {
    images.emplace_back(probabilities[row * classes + class_index], labels[row] == class_index);
  }
  std::sort(images.begin(), images.end(), std::greater<>());
  OneAgainstRest ranking;
  for (const auto& [probability, is_of_class] : images) {
    if (ranking.cuts.empty() || ranking.cuts.back().probability != probability) {
      ranking.cuts.push_back({probability, ranking.of_class(), ranking.others()});
    }
    ++(is_of_class ? ranking.cuts.back().of_class : ranking.cuts.back().others);
  }
  return ranking;
}

std::optional<double> roc_auc(const OneAgainstRest& ranking) {
  const std::uint64_t pairs = ranking.of_class() * ranking.others();
  if (pairs == 0) return std::nullopt;
  std::uint64_t twice = 0;
  OneAgainstRest::Cut last;
  for (const OneAgainstRest::Cut& cut : ranking.cuts) {
    twice += (cut.others - last.others) * (cut.of_class + last.of_class);
    last = cut;
  }
  return static_cast<double>(twice) / (2.0 * static_cast<double>(pairs));
}

std::optional<Threshold> best_threshold(const OneAgainstRest& ranking) {
  const std::uint64_t of_class = ranking.of_class(), others = ranking.others();
  if (of_class == 0 || others == 0) return std::nullopt;
  // Twice the balanced accuracy times both counts: an integer, so that equals are equal.
  std::uint64_t best_score = 0;
  Threshold best;
  const auto consider = [&](double value, const OneAgainstRest::Cut& above) {
    const std::uint64_t score = above.of_class * others + (others - above.others) * of_class;
    const double distance = std::abs(value - 0.5), best_distance = std::abs(best.value - 0.5);
    if (score < best_score || (score == best_score && distance > best_distance)) return;
    best_score = score;
    best.value = value;
  };
  OneAgainstRest::Cut above_half;
  for (const OneAgainstRest::Cut& cut : ranking.cuts) {
    if (cut.probability > 0.5F) above_half = cut;
  }
  consider(0.5, above_half);
  for (std::size_t i = 0; i + 1 < ranking.cuts.size(); ++i) {
    const double higher = ranking.cuts[i].probability, lower = ranking.cuts[i + 1].probability;
    consider((higher + lower) / 2, ranking.cuts[i]);
  }
  best.balanced_accuracy = static_cast<double>(best_score) /
                           (2.0 * static_cast<double>(of_class) * static_cast<double>(others));
  return best;
}

}  // namespace graft
