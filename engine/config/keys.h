#pragma once
// Every key of a config: path, member, rule and text. Parsing, checks, messages, `graft config
// explain`, configs/README.md, the JSON Schema and the effective config follow from the key and the
// type of its member.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/json.h"
#include "engine/config/config.h"
#include "engine/config/paths.h"

namespace graft {

// What a key may hold, beyond the type of its member. A type ignores what it has no use for.
struct KeyRule {
  double lowest = 0.0;  // of a number, and of each number in a size or list
  double highest = 0.0;
  bool above_lowest = false;              // a double: `lowest` itself is not allowed
  bool below_highest = false;             // a double: `highest` itself is not allowed
  std::size_t most = 0;                   // numbers of a list
  std::string zero_word = {};             // an integer: the word that JSON has for 0
  std::vector<std::string> choices = {};  // a string
  std::string numbered = {};              // a string: "cuda" also allows "cuda:N", N in the range
  bool required = false;                  // a path
  bool may_be_empty = false;              // a path: "" means none
  std::string fallback = {};              // a path: default that depends on the environment
};

using KeyMember =
    std::variant<bool*, std::uint64_t*, double*, std::string*, std::filesystem::path*, ImageSize*,
                 std::vector<std::size_t>*, std::vector<View>*, std::vector<Layer>*, ClassWeights*,
                 Resize*, Preprocess*, OnBadImage*, Gray16*, PrecisionChoice*,
                 ConvolutionAlgorithm*, Pooling*, Normalize*, Schedule*>;

struct ConfigKey {
  std::string path;  // "data.image_size"
  KeyMember member;  // in the Config that keys_of() was given
  KeyRule rule;
  std::string text;  // sentences for people

  std::string section() const;  // "data", "train.optimizer", or "" at the top
  std::string name() const { return path.substr(path.rfind('.') + 1); }  // "image_size"
};

// The table. Its order is that of `graft config explain` and of config.json.
std::vector<ConfigKey> keys_of(Config& config);
// The table for a Config that has all defaults.
const std::vector<ConfigKey>& default_keys();

const ConfigKey* find_key(const std::vector<ConfigKey>& keys, std::string_view path);
bool is_section(std::string_view path);    // "train.optimizer"
std::vector<std::string> section_names();  // "" (the top) first, then in the order of the table

// "an integer from 1 to 100000", "\"cpu\", \"cuda\" or \"auto\"".
std::string expectation(const ConfigKey& key);
// The same as a JSON Schema.
Json schema_of(const ConfigKey& key);
// The default as JSON, or "required".
std::string default_text(const ConfigKey& key);
// Whether any text is a value of this type: --set then reads 5 as "5".
bool takes_text(const ConfigKey& key);

Json value_of(const ConfigKey& key);
// Throws Error(usage) "expected …, found …", or for a path that cannot be expanded.
void set_value(const ConfigKey& key, const Json& value, const Environment& environment);

// All keys, or one key or section. Throws Error(usage) with a suggestion when there is no such key.
std::string explain_for_terminal(const std::string& key_or_section);
// configs/README.md.
std::string explain_as_markdown();
// A config file as a JSON Schema, draft 2020-12: configs/graft.schema.json. Rules between keys are not
// in it.
std::string config_schema();

// What an unknown key was probably meant to be ("train.epochs"), or nothing.
std::optional<std::string> suggestion_for(std::string_view unknown_path);

}  // namespace graft
