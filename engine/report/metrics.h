#pragma once
// Figures of a classifier from its probabilities. All counts are exact; each figure is rounded once
// or twice in double. A figure that is not defined for the images at hand has no value.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace graft {

struct Interval {
  double low = 0.0;
  double high = 0.0;
};

// The 95 % interval of a share of `count` > 0 by Wilson's score method (Wilson 1927; Newcombe 1998,
// method 3).
Interval wilson_interval(std::uint64_t successes, std::uint64_t count);

// One class against the rest.
struct OneAgainstRest {
  // The images of the class and the others whose probability is at least `probability`.
  struct Cut {
    float probability = 0.0F;
    std::uint64_t of_class = 0;
    std::uint64_t others = 0;
  };
  std::vector<Cut> cuts;  // one for each different probability, from the highest
  std::uint64_t of_class() const { return cuts.empty() ? 0 : cuts.back().of_class; }
  std::uint64_t others() const { return cuts.empty() ? 0 : cuts.back().others; }
};
// probabilities: labels.size() × classes, row-major.
OneAgainstRest one_against_rest(std::span<const float> probabilities,
                                std::span<const std::uint32_t> labels, std::size_t classes,
                                std::uint32_t class_index);

// Area under the ROC curve: the share of pairs (image of the class, other image) in which the first
// has the higher probability. Equal ones count half. Not defined without both kinds of images.
std::optional<double> roc_auc(const OneAgainstRest& ranking);

struct Threshold {
  double value = 0.5;  // an image is of the class when its probability is higher
  double balanced_accuracy = 0.0;
};
// The threshold with the highest balanced accuracy on these images: .5 or a midpoint of two
// neighbouring probabilities; of equals the nearest to .5, of those the lower. Not defined without
// both kinds of images.
std::optional<Threshold> best_threshold(const OneAgainstRest& ranking);

}  // namespace graft
