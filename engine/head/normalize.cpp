// Both kinds come from the sums of d and d² of each column, where d is the value less a shift: 0 for
// the root mean square; the column's first value for the deviation, so that a column that does not
// vary has sums of exactly 0 and no digits cancel where it varies little.

#include "engine/head/normalize.h"

#include <algorithm>
#include <cmath>

namespace graft {

Normalization normalization_of(Normalize kind, FeatureView features,
                               std::span<const std::uint32_t> rows,
                               std::span<const FeatureGroup> groups) {
  if (kind == Normalize::none) return {};
  const bool centred = kind == Normalize::standard;
  std::vector<double> shift(features.columns), sums(features.columns), squares(features.columns);
  if (centred) std::copy_n(features.row(rows.front()), features.columns, shift.begin());
  for (const std::uint32_t row : rows) {
    const float* values = features.row(row);
    for (std::size_t c = 0; c < features.columns; ++c) {
      const double d = values[c] - shift[c];
      sums[c] += d;
      squares[c] += d * d;
    }
  }
  Normalization result = {std::vector<float>(features.columns),
                          std::vector<float>(features.columns)};
  const auto count = static_cast<double>(rows.size());
  for (const FeatureGroup& group : groups) {
    double sum = 0.0;
    for (std::size_t c = group.first; c < group.first + group.columns; ++c) {
      sum += centred ? std::max(squares[c] - sums[c] * sums[c] / count, 0.0) : squares[c];
      if (centred) result.mean[c] = static_cast<float>(shift[c] + sums[c] / count);
    }
    const double root = std::sqrt(sum / (count * static_cast<double>(group.columns)));
    std::fill_n(result.scale.begin() + static_cast<std::ptrdiff_t>(group.first), group.columns,
                root == 0.0 ? 1.0F : static_cast<float>(1.0 / root));
  }
  return result;
}

std::vector<DenseParameters> folded(std::vector<DenseParameters> parameters,
                                    const Normalization& normalization) {
  if (normalization.scale.empty()) return parameters;
  DenseParameters& dense = parameters.front();
  std::vector<double> bias(dense.bias.begin(), dense.bias.end());
  float* weight = dense.kernel.data();
  for (std::size_t input = 0; input < dense.inputs; ++input) {
    const double scale = normalization.scale[input];
    for (std::size_t unit = 0; unit < dense.outputs; ++unit, ++weight) {
      const double scaled = scale * *weight;
      bias[unit] -= normalization.mean[input] * scaled;
      *weight = static_cast<float>(scaled);
    }
  }
  std::ranges::transform(bias, dense.bias.begin(),
                         [](double value) { return static_cast<float>(value); });
  return parameters;
}

}  // namespace graft
