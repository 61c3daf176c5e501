#include "tools/graft/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <utility>

#include "engine/base/text.h"

namespace graft::program {
namespace {

bool is_whole(const Json& value) {
  if (value.is_number_integer()) return true;  // signed and unsigned
  return value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>();
}

bool in_range(const Key& key, double value) {
  return (key.lowest_included ? value >= key.lowest : value > key.lowest) &&
         (key.highest_included ? value <= key.highest : value < key.highest);
}

bool is_allowed_integer(const Key& key, const Json& value) {
  if (!is_whole(value) || !in_range(key, value.get<double>())) return false;
  // Above 2^53 a double cannot tell an integer from its neighbour.
  return !value.is_number_unsigned() ||
         value.get<std::uint64_t>() <= static_cast<std::uint64_t>(key.highest);
}

bool all_allowed_integers(const Key& key, const Json& value) {
  return std::all_of(value.begin(), value.end(),
                     [&](const Json& element) { return is_allowed_integer(key, element); });
}

bool is_size(const Key& key, const Json& value) {
  if (!value.is_array()) return is_allowed_integer(key, value);
  return value.size() == 2 && all_allowed_integers(key, value);
}

bool is_list(const Key& key, const Json& value, const std::function<bool(const Json&)>& fits_one) {
  return value.is_array() && value.size() >= key.least && value.size() <= key.most &&
         std::all_of(value.begin(), value.end(), fits_one);
}

// "cuda:1" for key.numbered "cuda". A number is written in one way only: not "cuda:01".
bool is_numbered_choice(const Key& key, std::string_view text) {
  const std::string prefix = key.numbered + ':';
  if (key.numbered.empty() || !text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  unsigned number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc{} && end == text.data() + text.size() && in_range(key, number) &&
         text == std::to_string(number);
}

bool is_choice(const Key& key, const std::string& text) {
  return std::find(key.choices.begin(), key.choices.end(), text) != key.choices.end() ||
         is_numbered_choice(key, text);
}

bool fits(const Key& key, const Json& value) {
  switch (key.kind) {
    case KeyKind::choice:
      return value.is_string() && is_choice(key, value.get_ref<const std::string&>());
    case KeyKind::boolean:
      return value.is_boolean();
    case KeyKind::integer:
      return is_allowed_integer(key, value) || (!key.automatic.empty() && value == key.automatic);
    case KeyKind::number:
      return value.is_number() && in_range(key, value.get<double>());
    case KeyKind::path:
      return value.is_string() && (key.may_be_empty || !value.get<std::string>().empty()) &&
             value.get<std::string>().find('\0') == std::string::npos;
    case KeyKind::size:
      return value.is_array() && is_size(key, value);
    case KeyKind::integers:
      return is_list(key, value, [&](const Json& one) { return is_allowed_integer(key, one); });
    case KeyKind::sizes:
      return is_list(key, value, [&](const Json& one) { return is_size(key, one); });
    case KeyKind::words:
      return is_list(key, value, [&](const Json& one) {
        return one.is_string() && is_choice(key, one.get_ref<const std::string&>());
      });
    case KeyKind::text:
      return value.is_string();
  }
  return false;
}

// What a message lists: the choices, with "cuda:N" behind "cuda".
std::vector<std::string> listed_choices(const Key& key) {
  std::vector<std::string> listed;
  for (const std::string& choice : key.choices) {
    listed.push_back(choice);
    if (choice == key.numbered) listed.push_back(choice + ":N");
  }
  return listed;
}

std::string quoted_list(const std::vector<std::string>& words) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) list += i + 1 == words.size() ? " or " : ", ";
    list += '"' + words[i] + '"';
  }
  return list;
}

std::string how_many(const Key& key) {
  return key.least == 0 ? fmt::format("at most {}", key.most)
                        : fmt::format("{} to {}", key.least, key.most);
}

}  // namespace

std::string Key::section() const {
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}

std::string Key::name() const {
  return path.substr(path.rfind('.') + 1);
}

const Key* find_key(std::string_view path) {
  const auto& keys = schema();
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

bool is_section(std::string_view path) {
  const std::string prefix = std::string(path) + '.';
  return std::any_of(schema().begin(), schema().end(),
                     [&](const Key& key) { return key.path.starts_with(prefix); });
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const Key& key : schema())
    if (std::find(names.begin(), names.end(), key.section()) == names.end())
      names.push_back(key.section());
  return names;
}

std::string expectation(const Key& key) {
  // The integers of the table are whole doubles; "{:.0f}" writes 2^53 without an exponent.
  const std::string range = fmt::format("from {:.0f} to {:.0f}", key.lowest, key.highest);
  switch (key.kind) {
    case KeyKind::choice:
      return quoted_list(listed_choices(key)) + (key.numbered.empty() ? "" : ", N " + range);
    case KeyKind::boolean:
      return "true or false";
    case KeyKind::integer:
      return "an integer " + range +
             (key.automatic.empty() ? "" : fmt::format(", or \"{}\"", key.automatic));
    case KeyKind::number:
      return fmt::format("a number {} {:g} {} {:g}", key.lowest_included ? "from" : "above",
                         key.lowest, key.highest_included ? "up to" : "to below", key.highest);
    case KeyKind::path:
      return key.may_be_empty ? "a path, or \"\" for none" : "a path";
    case KeyKind::size:
      return "[height, width], each an integer " + range;
    case KeyKind::integers:
      return fmt::format("a list of {} integers, each {}", how_many(key), range);
    case KeyKind::sizes:
      return fmt::format("a list of {} sizes, each an integer or [height, width] {}", how_many(key),
                         range);
    case KeyKind::words:
      return fmt::format("a list of {} of {}", how_many(key), quoted_list(key.choices));
    case KeyKind::text:
      return "a text";
  }
  return "";
}

std::string default_text(const Key& key) {
  if (key.required) return "required";
  return (key.fallback.empty() ? key.get(Config{}) : Json(key.fallback)).dump();
}

std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), 80);
}

std::optional<std::string> problem_with(const Key& key, const Json& value) {
  if (fits(key, value)) return std::nullopt;
  std::string problem = fmt::format("expected {}, found {}", expectation(key), shown(value));
  std::vector<std::string> words = key.choices;
  if (!key.automatic.empty()) words.push_back(key.automatic);
  for (const Json& said : value.is_array() ? value : Json::array({value})) {
    if (!said.is_string() || std::count(words.begin(), words.end(), said.get<std::string>()) > 0)
      continue;
    if (const auto meant = nearest(said.get<std::string>(), words))
      return problem + fmt::format("; did you mean \"{}\"?", *meant);
  }
  return problem;
}

std::optional<std::string> suggestion_for(std::string_view unknown_path) {
  const std::size_t dot = unknown_path.rfind('.');
  const std::string_view section =
      dot == std::string_view::npos ? std::string_view() : unknown_path.substr(0, dot);
  const std::string_view name = unknown_path.substr(dot == std::string_view::npos ? 0 : dot + 1);

  // First a slip in the last word, among the keys and sections that stand beside it …
  const std::string prefix = section.empty() ? "" : std::string(section) + '.';
  std::vector<std::string> siblings;
  for (const Key& key : schema()) {
    if (!key.path.starts_with(prefix)) continue;
    siblings.push_back(
        key.path.substr(prefix.size(), key.path.find('.', prefix.size()) - prefix.size()));
  }
  if (const auto sibling = nearest(name, siblings)) return prefix + *sibling;

  // … then the right word in the wrong section, then a slip anywhere in the path.
  std::vector<std::string> paths;
  for (const Key& key : schema()) {
    if (key.name() == name) return key.path;
    paths.push_back(key.path);
  }
  for (const Key& key : schema())
    if (nearest(name, std::vector{key.name()})) return key.path;
  return nearest(unknown_path, paths);
}

}  // namespace graft::program
