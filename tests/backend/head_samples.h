#pragma once
// Small random features, labels, states and batches for the tests of a head.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "engine/backend/backend.h"
#include "tests/support/support.h"

namespace graft::test {

struct Samples {
  std::size_t columns = 0;
  std::vector<float> features;
  std::vector<std::uint32_t> labels;
  FeatureView view() const { return {features.data(), labels.size(), columns}; }
};

inline Samples random_samples(std::size_t rows, std::size_t columns, std::size_t classes,
                              std::uint32_t seed) {
  Samples samples = {columns, random_values(rows * columns, seed), {}};
  std::mt19937 generator(seed + 1);
  for (std::size_t row = 0; row < rows; ++row) {
    samples.labels.push_back(static_cast<std::uint32_t>(generator() % classes));
  }
  return samples;
}

inline Normalization random_normalization(std::size_t columns, std::uint32_t seed) {
  return {random_values(columns, seed), random_values(columns, seed + 1, 3.0F)};
}

inline HeadState with_zero_mean_squares(HeadState state) {
  state.mean_squares = state.parameters;
  for (DenseParameters& layer : state.mean_squares) {
    std::ranges::fill(layer.kernel, 0.0F);
    std::ranges::fill(layer.bias, 0.0F);
  }
  return state;
}

inline HeadState random_state(const HeadOptions& options, std::uint32_t seed) {
  HeadState state;
  std::size_t inputs = options.inputs;
  for (std::size_t layer = 0; layer <= options.hidden.size(); ++layer) {
    const std::size_t outputs =
        layer == options.hidden.size() ? options.outputs() : options.hidden[layer];
    const float scale = std::sqrt(6.0F / static_cast<float>(inputs + outputs));
    state.parameters.push_back({inputs, outputs, random_values(inputs * outputs, seed++, scale),
                                random_values(outputs, seed++, 0.1F)});
    inputs = outputs;
  }
  return with_zero_mean_squares(std::move(state));
}

inline std::vector<std::uint32_t> first_rows(std::size_t count) {
  std::vector<std::uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

inline std::vector<std::uint32_t> shuffled_rows(std::size_t count, std::uint32_t seed) {
  std::vector<std::uint32_t> rows = first_rows(count);
  std::shuffle(rows.begin(), rows.end(), std::mt19937(seed));
  return rows;
}

// The same, cut into batches; the last may be smaller.
inline std::vector<std::vector<std::uint32_t>> shuffled_batches(std::size_t rows,
                                                                std::size_t batch_size,
                                                                std::uint32_t seed) {
  const std::vector<std::uint32_t> order = shuffled_rows(rows, seed);
  std::vector<std::vector<std::uint32_t>> batches;
  for (std::size_t first = 0; first < rows; first += batch_size) {
    const auto begin = order.begin() + static_cast<std::ptrdiff_t>(first);
    const auto size = static_cast<std::ptrdiff_t>(std::min(batch_size, rows - first));
    batches.emplace_back(begin, begin + size);
  }
  return batches;
}

// One step over these rows, at most batch_size: an epoch of its own.
inline void train_step(Head& head, std::span<const std::uint32_t> rows, std::uint64_t step) {
  head.begin_epoch(rows, step);
  head.train_step();
}

inline Totals evaluate(Head& head, FeatureView features, std::span<const std::uint32_t> labels) {
  head.set_validation_data(features, labels);
  return head.evaluate();
}

inline bool same_bytes(const std::vector<DenseParameters>& a,
                       const std::vector<DenseParameters>& b) {
  return std::ranges::equal(a, b, [](const DenseParameters& x, const DenseParameters& y) {
    return same_bytes(x.kernel, y.kernel) && same_bytes(x.bias, y.bias);
  });
}

inline bool same_bytes(const HeadState& a, const HeadState& b) {
  return same_bytes(a.parameters, b.parameters) && same_bytes(a.mean_squares, b.mean_squares);
}

}  // namespace graft::test
