#include "engine/dataset/split.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {
namespace {

// Where the samples of one class are divided: u < boundary goes to validation. It is `share`, moved
// just enough that both sides have an image.
double class_boundary(const Dataset& all, std::uint32_t label, double share) {
  double smallest = 1.0;
  double largest = 0.0;
  for (const Sample& sample : all.samples) {
    if (sample.label != label) continue;
    const double position = split_position(sample.content);
    smallest = std::min(smallest, position);
    largest = std::max(largest, position);
  }
  if (smallest >= largest) {
    throw Error(ErrorKind::data,
                "the class '{}' in {} has fewer than two different images, too few for "
                "validation_split; add images, or name a validation folder",
                printable(all.classes[label]), shown(all.root));
  }
  if (smallest >= share) return std::nextafter(smallest, 1.0);
  return std::min(share, largest);
}

}  // namespace

double split_position(const Digest& content) {
  return static_cast<double>(content.high >> 11U) * 0x1p-53;
}

Datasets split_by_content(Dataset all, double share) {
  std::vector<double> boundaries;
  for (std::uint32_t label = 0; label < all.classes.size(); ++label) {
    boundaries.push_back(class_boundary(all, label, share));
  }
  Datasets split;
  split.train.root = split.validation.root = all.root;
  split.train.classes = split.validation.classes = all.classes;
  split.train.skipped = std::move(all.skipped);
  for (Sample& sample : all.samples) {
    const bool validates = split_position(sample.content) < boundaries[sample.label];
    (validates ? split.validation : split.train).samples.push_back(std::move(sample));
  }
  return split;
}

}  // namespace graft
