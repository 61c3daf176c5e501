#pragma once
// The key of a row of features: all that decides it besides the bytes of its image file.

#include <string>
#include <utility>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/json.h"
#include "engine/config/config.h"
#include "engine/vgg16/vgg16.h"

namespace graft {

// Name and value of each setting, in a fixed order. Equal keys promise equal rows for equal files.
struct FeatureKey {
  std::vector<std::pair<std::string, std::string>> settings;

  Digest fingerprint() const;
  bool operator==(const FeatureKey&) const = default;
};

FeatureKey feature_key(const DataConfig& data, const Digest& weights, const std::string& numerics,
                       FeatureShape shape, const FeatureSource& source = {});

// The digest by which a row is found: that of its image file, and for other views than the original
// one that also depends on the view. The key does not name the view, so that a view that is added
// is computed alone.
Digest row_digest(const Digest& content, View view);

// "the weights changed", "preprocess changed from rescale to caffe", joined with "and"; empty when
// the keys are equal.
std::string describe_change(const FeatureKey& from, const FeatureKey& to);

// The same without the arithmetic: rows that differ only by rounding suit the same head.
std::string describe_input_change(const FeatureKey& from, const FeatureKey& to);

// The settings of a config that decide a set of features: which photos, and how they become rows.
// Name and JSON text of each, from the table of all keys.
JsonStrings feature_settings(Config config);
// From the recorded settings of a set to those that are asked for, as describe_change does it.
std::string describe_settings_change(const JsonStrings& from, const JsonStrings& to);

}  // namespace graft
