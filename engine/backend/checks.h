#pragma once
// Preconditions of Backbone and Head, the same for every backend. A broken one is an Error(usage) with a
// sentence.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/backend/backend.h"

namespace graft {

// An image of at least 32×32, layers of features that exist together, and a batch of at least 1.
void check_options(const BackboneOptions& options);
void check_weights(const Vgg16Weights& weights);  // throws Error(weights)
// What Backbone::submit receives.
void check_batch(std::span<const std::uint8_t> images, std::size_t count,
                 std::span<const float> features, const BackboneOptions& options);

void check_options(const HeadOptions& options);
// `layers` are those of `options`, each with its shape. `what` they are: "parameters".
void check_shapes(const std::vector<DenseParameters>& layers, const HeadOptions& options,
                  const char* what);
// Both lists of the state; mean_squares may be empty.
void check_state(const HeadState& state, const HeadOptions& options);
void check_has_state(bool has_state);
// Complete photos: a multiple of options.views rows.
void check_features(FeatureView features, const HeadOptions& options);
// Also: one label for each photo, below options.classes.
void check_features(FeatureView features, std::span<const std::uint32_t> labels,
                    const HeadOptions& options);
// Empty, or a mean and a scale for each input.
void check_normalization(const Normalization& normalization, const HeadOptions& options);
// `order` has 1 … row_count indices below row_count; its steps are below 2^48.
void check_epoch(std::span<const std::uint32_t> order, std::uint64_t first_step,
                 std::size_t row_count, std::size_t batch_size);
void check_rows_left(std::size_t rows);  // of the epoch
void check_has_validation(FeatureView features);
void check_probabilities(std::size_t size, std::size_t photos, std::size_t classes);

}  // namespace graft
