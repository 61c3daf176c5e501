#include "tests/reference/naive_head.h"

#include <cmath>
#include <utility>

#include "kernels/philox.h"

namespace graft::reference {

NaiveHead::NaiveHead(const HeadOptions& options, const HeadState& state) : options_(options) {
  for (const DenseParameters& layer : state.parameters) {
    layers_.push_back(
        {{layer.kernel.begin(), layer.kernel.end()}, {layer.bias.begin(), layer.bias.end()}});
  }
}

std::vector<double> NaiveHead::logits(std::span<const float> features, std::size_t row,
                                      std::optional<std::uint64_t> step) {
  std::vector<double> values(features.begin(), features.end());
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    const auto& [kernel, bias] = layers_[layer];
    std::vector<double> next = bias;
    for (std::size_t k = 0; k < values.size(); ++k) {
      for (std::size_t u = 0; u < next.size(); ++u)
        next[u] += values[k] * kernel[k * next.size() + u];
    }
    values = std::move(next);
    if (layer + 1 == layers_.size()) continue;
    for (std::size_t u = 0; u < values.size(); ++u) {
      signs_.push_back(values[u] > 0.0);
      values[u] = values[u] > 0.0 ? values[u] : 0.0;
      if (!step) continue;
      const RandomStream stream = {options_.seed, RandomPurpose::dropout,
                                   static_cast<std::uint32_t>(layer), *step};
      const float uniform = uniform_from_word(random_word(stream, row * values.size() + u));
      values[u] = uniform >= options_.dropout ? values[u] / (1.0 - options_.dropout) : 0.0;
    }
  }
  return values;
}

double NaiveHead::loss(FeatureView features, std::span<const std::uint32_t> labels,
                       std::optional<std::uint64_t> step) {
  double sum = 0.0;
  for (std::size_t row = 0; row < features.rows; ++row) {
    std::vector<double> z = logits({features.row(row), features.columns}, row, step);
    if (options_.classes == 2) z.insert(z.begin(), 0.0);  // a sigmoid is a softmax of {0, z}
    double exponentials = 0.0;
    for (const double value : z) exponentials += std::exp(value);
    sum += std::log(exponentials) - z[labels[row]];
  }
  return sum / static_cast<double>(features.rows);
}

std::vector<bool> NaiveHead::take_signs() {
  return std::exchange(signs_, {});
}

}  // namespace graft::reference
