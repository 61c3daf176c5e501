#pragma once
// Checks of the two sets before the first batch.

#include <string>

#include "engine/base/observer.h"
#include "engine/head/trainer.h"

namespace graft {

// Throws Error(data): empty sets, sets of different classes or shapes, labels that are no class.
void check_sets(const LabelledFeatures& train, const LabelledFeatures& validation);

// Warns when one class holds more than 80 % of a set: its accuracy says little then.
void warn_of_imbalance(const LabelledFeatures& set, const std::string& name, Observer& observer);

// Throws Error(usage) for the weight of a class that is not there.
void check_class_weights(const ClassWeights& weights, std::span<const std::string> classes);

// Throws Error(data) that names the file of the first row with a value that is not finite.
void check_finite(const LabelledFeatures& set, const std::string& name);

}  // namespace graft
