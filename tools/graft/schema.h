#pragma once
// Every key that a config may have, once: its path, what it may hold, what it means, and where in
// Config it goes. Parsing, checking, `graft config explain`, configs/README.md and the effective
// config all follow from this table.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/json.h"
#include "engine/config/config.h"
#include "tools/graft/paths.h"

namespace graft::program {

enum class KeyKind {
  choice,  // one of `choices`, a string
  boolean,
  integer,   // lowest … highest
  number,    // lowest … highest, the ends included or not
  path,      // of a file or folder
  size,      // [height, width], each lowest … highest
  integers,  // up to `most` integers, each lowest … highest
  sizes,     // 1 to `most` sizes of images, each [height, width] or one integer for both
  words,     // 1 to `most` of `choices`
  text,      // any string
};

struct Key {
  std::string path;  // "data.image_size"
  KeyKind kind = KeyKind::integer;
  std::string doc;  // sentences for people
  bool required = false;
  // The section stands in a config that the program writes only where it says something: a program
  // that does not know it can read the others.
  bool section_is_optional = false;
  std::vector<std::string> choices;
  double lowest = 0.0;
  double highest = 0.0;
  bool lowest_included = true;
  bool highest_included = true;
  std::size_t most = 0;
  std::size_t least = 0;      // of a list
  std::string numbered;       // a choice: "cuda" allows "cuda:N" too, N from lowest to highest
  std::string automatic;      // an integer: this word may stand for it, and is 0 in a Config
  bool may_be_empty = false;  // a path: "" means none
  // A path: its default, when that depends on the environment and so cannot stand in a Config.
  std::string fallback;

  std::function<Json(const Config&)> get;
  // The value has passed problem_with(). Throws Error(usage) for a path that cannot be expanded.
  std::function<void(Config&, const Json&, const Environment&)> set;

  std::string section() const;  // "data", "train.optimizer", or "" at the top
  std::string name() const;     // "image_size"
};

const std::vector<Key>& schema();
const Key* find_key(std::string_view path);  // null when there is none
bool is_section(std::string_view path);      // "train.optimizer"
std::vector<std::string> section_names();    // "" (the top) first, then in the order of the table

// "an integer from 1 to 100000", "\"cpu\", \"cuda\" or \"auto\"".
std::string expectation(const Key& key);
// The default as JSON, or "required".
std::string default_text(const Key& key);
// Nothing when the key may hold the value; else "expected …, found …".
std::optional<std::string> problem_with(const Key& key, const Json& value);
// A value as a message shows it: short, on one line.
std::string shown(const Json& value);

// What an unknown key was probably meant to be ("train.epochs"), or nothing.
std::optional<std::string> suggestion_for(std::string_view unknown_path);

}  // namespace graft::program
