#pragma once
// Normalisation of features for training: its statistics, and a head that no longer needs it.

#include <cstdint>
#include <span>
#include <vector>

#include "engine/backend/backend.h"
#include "engine/config/config.h"
#include "engine/vgg16/vgg16.h"

namespace graft {

// Of these rows of `features`, at least one, in one pass in double.
//   rms       mean 0; scale: 1 / √(mean of the squares of the group)
//   standard  mean of the column; scale: 1 / √(mean of (x - mean of its column)² over the group)
// A group whose scale would be 1/0 has the scale 1. `groups` hold each column once.
Normalization normalization_of(Normalize kind, FeatureView features,
                               std::span<const std::uint32_t> rows,
                               std::span<const FeatureGroup> groups);

// The head that gives for features the result that `parameters` give for normalised features:
//   kernel[j][u]·scale[j] and bias[u] - Σ_j mean[j]·scale[j]·kernel[j][u] in the first Dense,
// in double, rounded once. An empty normalisation changes nothing.
std::vector<DenseParameters> folded(std::vector<DenseParameters> parameters,
                                    const Normalization& normalization);

}  // namespace graft
