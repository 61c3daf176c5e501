#include "engine/features/key.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/text.h"
#include "engine/config/keys.h"

namespace graft {
namespace {

// Raised when this program computes other bytes from the same settings (decoder, resize, layout).
constexpr int format_version = 1;

const std::string* find_setting(const FeatureKey& key, const std::string& name) {
  const auto found = std::find_if(key.settings.begin(), key.settings.end(),
                                  [&](const auto& setting) { return setting.first == name; });
  return found == key.settings.end() ? nullptr : &found->second;
}

template <NamedEnum Enum>
std::string joined(const std::vector<Enum>& values) {
  std::string text;
  for (const Enum value : values)
    text += fmt::format("{}{}", text.empty() ? "" : "+", name_of(value));
  return text;
}

FeatureKey without(FeatureKey key, const std::string& name) {
  std::erase_if(key.settings, [&](const auto& setting) { return setting.first == name; });
  return key;
}

// With the settings that feature_key omits.
FeatureKey spelled_out(FeatureKey key) {
  const std::pair<std::string, std::string> defaults[] = {
      {"fast_decode", "false"}, {"layers", joined(FeatureSource{}.layers)}, {"pooling", "none"}};
  for (const auto& setting : defaults)
    if (find_setting(key, setting.first) == nullptr) key.settings.push_back(setting);
  return key;
}

}  // namespace

Digest FeatureKey::fingerprint() const {
  std::string text;
  for (const auto& [name, value] : settings) {
    text += fmt::format("{}:{}={}:{};", name.size(), name, value.size(), value);
  }
  return digest_of(text);
}

FeatureKey feature_key(const DataConfig& data, const Digest& weights, const std::string& numerics,
                       FeatureShape shape, const FeatureSource& source) {
  FeatureKey key{{
      {"format", std::to_string(format_version)},
      {"weights", weights.hex()},
      {"image_size", fmt::format("{}x{}", data.image_size.height, data.image_size.width)},
      {"resize", std::string(name_of(data.resize))},
      {"preprocess", std::string(name_of(data.preprocess))},
      {"exif_orientation", data.exif_orientation ? "true" : "false"},
      {"gray16", std::string(name_of(data.gray16))},
      {"numerics", numerics},
      {"shape", fmt::format("{}x{}x{}", shape.height, shape.width, shape.channels)},
  }};
  // Omitted at their defaults, so that features computed before these settings existed keep their
  // key.
  if (data.fast_decode) key.settings.emplace_back("fast_decode", "true");
  if (source != FeatureSource{}) {
    key.settings.emplace_back("layers", joined(source.layers));
    key.settings.emplace_back("pooling", name_of(source.pooling));
  }
  return key;
}

Digest row_digest(const Digest& content, View view) {
  return view == View::original ? content
                                : digest_of(fmt::format("{} {}", content.hex(), name_of(view)));
}

std::string describe_input_change(const FeatureKey& from, const FeatureKey& to) {
  return describe_change(without(from, "numerics"), without(to, "numerics"));
}

JsonStrings feature_settings(Config config) {
  JsonStrings settings;
  for (const ConfigKey& key : keys_of(config)) {
    const bool is_of_source = key.path == "features.layers" || key.path == "features.pooling";
    if (key.section() != "data" && key.section() != "backbone" && !is_of_source) continue;
    settings.emplace_back(key.path, json_text(value_of(key)));
  }
  return settings;
}

std::string describe_settings_change(const JsonStrings& from, const JsonStrings& to) {
  if (from.empty()) return "the settings that made them were not recorded";
  return printable(describe_change({from}, {to}));
}

std::string describe_change(const FeatureKey& from, const FeatureKey& to) {
  if (from == to) return {};
  std::string changes;
  const FeatureKey before = spelled_out(from);
  FeatureKey after = spelled_out(to);
  // The shape last: it follows from the others.
  std::ranges::stable_partition(after.settings,
                                [](const auto& one) { return one.first != "shape"; });
  for (const auto& [name, value] : after.settings) {
    const std::string* old = find_setting(before, name);
    if (old != nullptr && *old == value) continue;
    if (name == "shape" && !changes.empty()) continue;
    if (!changes.empty()) changes += " and ";
    if (name == "weights") {
      changes += "the weights changed";
    } else if (old == nullptr) {
      changes += fmt::format("{} was not recorded", name);
    } else {
      changes += fmt::format("{} changed from {} to {}", name, printable(*old, 100), value);
    }
  }
  return changes.empty() ? "settings were recorded that this program does not know" : changes;
}

}  // namespace graft
