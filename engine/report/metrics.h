#pragma once
// Figures of a classifier from its probabilities. Counts are exact integers; a figure is rounded
// where it becomes a double. One that is not defined for the images at hand has no value.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace graft {

struct Interval {
  double low = 0.0, high = 0.0;
};
// The 95 % interval of a share of count > 0 by the score method (Wilson 1927).
Interval wilson_interval(std::uint64_t successes, std::uint64_t count);

// The images with at least a probability of a class: those of the class, and the others.
struct Cut {
  float probability = 0.0F;
  std::uint64_t of_class = 0, others = 0;
};
// A cut for each different probability of the class, from the highest. probabilities: rows × classes.
std::vector<Cut> cuts_of(std::span<const float> probabilities,
                         std::span<const std::uint32_t> labels, std::size_t classes,
                         std::uint32_t class_index);

// Area under the ROC curve: the share of pairs (image of the class, other image) in which the first
// has the higher probability. Equal ones count half. Needs images of both kinds.
std::optional<double> roc_auc(std::span<const Cut> cuts);

struct Threshold {
  double value = 0.5;  // an image is of the class when its probability is higher
  double balanced_accuracy = 0.0;
};
// The threshold with the highest balanced accuracy on these images. Candidates are between two
// neighbouring probabilities: .5 where it is between them, else their mean. Of equals the nearest to
// .5. Needs images of both kinds and two different probabilities.
std::optional<Threshold> best_threshold(std::span<const Cut> cuts);

}  // namespace graft
