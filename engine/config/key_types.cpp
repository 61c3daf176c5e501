// The types of keys: what each expects, how it is read from JSON, and how it is written.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/base/text.h"
#include "engine/config/keys.h"

namespace graft {
namespace {

using Rule = KeyRule;

std::string quoted_list(const std::vector<std::string>& words) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) list += i + 1 == words.size() ? " or " : ", ";
    list += '"' + words[i] + '"';
  }
  return list;
}

// Bounds of integers are doubles without fraction. "{:.0f}" writes 2^53 without an exponent.
std::string range_text(const Rule& rule) {
  return fmt::format("from {:.0f} to {:.0f}", rule.lowest, rule.highest);
}

bool is_in_range(double value, const Rule& rule) {
  return (rule.above_lowest ? value > rule.lowest : value >= rule.lowest) &&
         (rule.below_highest ? value < rule.highest : value <= rule.highest);
}

// 16, 16.0 and 1.6e1 are all the integer 16.
template <typename Integer>
bool read_integer(Integer& integer, const Json& value, const Rule& rule) {
  if (!value.is_number()) return false;
  const auto number = value.get<double>();
  if (std::trunc(number) != number || !is_in_range(number, rule)) return false;
  // Above 2^53 a double cannot tell an integer from the next one.
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(rule.highest))
    return false;
  integer = static_cast<Integer>(number);
  return true;
}

// Each type has four functions:
//   expected(member, rule)                      the words for a message
//   schema(member, rule)                        the same as JSON Schema
//   read(member, value, rule, environment)      false when the value does not fit
//   written(member, rule)                       the value as JSON, where it is not JSON by itself
template <typename Member>
Json written(const Member& member, const Rule&) {
  return member;
}

std::string expected(bool, const Rule&) {
  return "true or false";
}
Json schema(bool, const Rule&) {
  return {{"type", "boolean"}};
}
bool read(bool& member, const Json& value, const Rule&, const Environment&) {
  if (value.is_boolean()) member = value.get<bool>();
  return value.is_boolean();
}

std::string expected(std::uint64_t, const Rule& rule) {
  return "an integer " + range_text(rule) +
         (rule.zero_word.empty() ? "" : fmt::format(", or \"{}\"", rule.zero_word));
}
Json schema(std::uint64_t, const Rule& rule) {
  const Json integer = {{"type", "integer"},
                        {"minimum", static_cast<std::uint64_t>(rule.lowest)},
                        {"maximum", static_cast<std::uint64_t>(rule.highest)}};
  if (rule.zero_word.empty()) return integer;
  return {{"anyOf", Json::array({integer, {{"enum", {rule.zero_word}}}})}};
}
bool read(std::uint64_t& member, const Json& value, const Rule& rule, const Environment&) {
  if (rule.zero_word.empty() || value != rule.zero_word) return read_integer(member, value, rule);
  member = 0;
  return true;
}
Json written(std::uint64_t member, const Rule& rule) {
  return member == 0 && !rule.zero_word.empty() ? Json(rule.zero_word) : Json(member);
}

std::string expected(double, const Rule& rule) {
  return fmt::format("a number {} {:g} {} {:g}", rule.above_lowest ? "above" : "from", rule.lowest,
                     rule.below_highest ? "to below" : "up to", rule.highest);
}
Json schema(double, const Rule& rule) {
  return {{"type", "number"},
          {rule.above_lowest ? "exclusiveMinimum" : "minimum", rule.lowest},
          {rule.below_highest ? "exclusiveMaximum" : "maximum", rule.highest}};
}
bool read(double& member, const Json& value, const Rule& rule, const Environment&) {
  if (!value.is_number() || !is_in_range(value.get<double>(), rule)) return false;
  member = value.get<double>();
  return true;
}

// "cuda:1" for the choice "cuda". A number is written in one way only: not "cuda:01".
bool is_numbered(const std::string& text, const Rule& rule) {
  const std::string prefix = rule.numbered + ':';
  if (rule.numbered.empty() || !text.starts_with(prefix)) return false;
  const auto number = whole_number(text.substr(prefix.size()));
  return number && text == prefix + std::to_string(*number) && is_in_range(double(*number), rule);
}

std::string expected(const std::string&, const Rule& rule) {
  std::vector<std::string> listed;
  for (const std::string& choice : rule.choices) {
    listed.push_back(choice);
    if (choice == rule.numbered) listed.push_back(choice + ":N");
  }
  return quoted_list(listed) + (rule.numbered.empty() ? "" : ", N " + range_text(rule));
}
Json schema(const std::string&, const Rule& rule) {
  const Json choices = {{"enum", rule.choices}};
  if (rule.numbered.empty()) return choices;
  const std::size_t more_digits = fmt::format("{:.0f}", rule.highest).size() - 1;
  const auto numbers = fmt::format("^{}:(0|[1-9][0-9]{{0,{}}})$", rule.numbered, more_digits);
  return {{"anyOf", Json::array({choices, {{"type", "string"}, {"pattern", numbers}}})}};
}
bool read(std::string& member, const Json& value, const Rule& rule, const Environment&) {
  if (!value.is_string()) return false;
  const auto text = value.get<std::string>();
  if (std::count(rule.choices.begin(), rule.choices.end(), text) == 0 && !is_numbered(text, rule))
    return false;
  member = text;
  return true;
}

std::string expected(const std::filesystem::path&, const Rule& rule) {
  return rule.may_be_empty ? "a path, or \"\" for none" : "a path";
}
Json schema(const std::filesystem::path&, const Rule& rule) {
  return {{"type", "string"}, {"minLength", rule.may_be_empty ? 0 : 1}};
}
bool read(std::filesystem::path& member, const Json& value, const Rule& rule,
          const Environment& environment) {
  if (!value.is_string()) return false;
  const auto text = value.get<std::string>();
  if (text.find('\0') != std::string::npos || (text.empty() && !rule.may_be_empty)) return false;
  member = text.empty() ? std::filesystem::path() : expand_path(text, environment);
  return true;
}
Json written(const std::filesystem::path& member, const Rule&) {
  return path_text(member);
}

std::string expected(const ImageSize&, const Rule& rule) {
  return "[height, width], each an integer " + range_text(rule);
}
Json schema(const ImageSize&, const Rule& rule) {
  return {{"type", "array"},
          {"items", schema(std::uint64_t{}, rule)},
          {"minItems", 2},
          {"maxItems", 2}};
}
bool read(ImageSize& member, const Json& value, const Rule& rule, const Environment&) {
  return value.is_array() && value.size() == 2 && read_integer(member.height, value[0], rule) &&
         read_integer(member.width, value[1], rule);
}
Json written(const ImageSize& member, const Rule&) {
  return Json::array({member.height, member.width});
}

std::string expected(const std::vector<std::size_t>&, const Rule& rule) {
  return fmt::format("a list of at most {} integers, each {}", rule.most, range_text(rule));
}
Json schema(const std::vector<std::size_t>&, const Rule& rule) {
  return {{"type", "array"}, {"items", schema(std::uint64_t{}, rule)}, {"maxItems", rule.most}};
}
bool read(std::vector<std::size_t>& member, const Json& value, const Rule& rule,
          const Environment&) {
  if (!value.is_array() || value.size() > rule.most) return false;
  member.resize(value.size());
  for (std::size_t i = 0; i < value.size(); ++i)
    if (!read_integer(member[i], value[i], rule)) return false;
  return true;
}

template <NamedEnum Enum>
std::string expected(Enum value, const Rule&) {
  const auto names = names_of(value);
  return quoted_list({names.begin(), names.end()});
}
template <NamedEnum Enum>
Json schema(Enum value, const Rule&) {
  return {{"enum", names_of(value)}};
}
template <NamedEnum Enum>
bool read(Enum& member, const Json& value, const Rule&, const Environment&) {
  const auto chosen = value.is_string() ? enum_named<Enum>(value.get<std::string>()) : std::nullopt;
  member = chosen.value_or(member);
  return chosen.has_value();
}
template <NamedEnum Enum>
Json written(const Enum& member, const Rule&) {
  return std::string(name_of(member));
}

// In JSON in any order, in the config ascending.
template <NamedEnum Enum>
std::string expected(const std::vector<Enum>&, const Rule& rule) {
  return "a list of one or more different ones of " + expected(Enum{}, rule);
}
template <NamedEnum Enum>
Json schema(const std::vector<Enum>&, const Rule& rule) {
  return {
      {"type", "array"}, {"items", schema(Enum{}, rule)}, {"minItems", 1}, {"uniqueItems", true}};
}
template <NamedEnum Enum>
bool read(std::vector<Enum>& member, const Json& value, const Rule& rule,
          const Environment& environment) {
  if (!value.is_array() || value.empty()) return false;
  std::vector<Enum> list(value.size());
  for (std::size_t i = 0; i < list.size(); ++i)
    if (!read(list[i], value[i], rule, environment)) return false;
  std::sort(list.begin(), list.end());
  if (std::adjacent_find(list.begin(), list.end()) != list.end()) return false;
  member = std::move(list);
  return true;
}
template <NamedEnum Enum>
Json written(const std::vector<Enum>& member, const Rule&) {
  Json list = Json::array();
  for (const Enum value : member) list.push_back(std::string(name_of(value)));
  return list;
}

std::string expected(const ClassWeights&, const Rule& rule) {
  return "\"none\", \"balanced\", or an object {\"CLASS\": WEIGHT, …}, each " + expected(0.0, rule);
}
Json schema(const ClassWeights&, const Rule& rule) {
  const Json weights = {
      {"type", "object"}, {"additionalProperties", schema(0.0, rule)}, {"minProperties", 1}};
  return {{"anyOf", Json::array({{{"enum", {"none", "balanced"}}}, weights})}};
}
bool read(ClassWeights& member, const Json& value, const Rule& rule,
          const Environment& environment) {
  using Kind = ClassWeights::Kind;
  if (value == "none" || value == "balanced") {
    member = {value == "none" ? Kind::none : Kind::balanced, {}};
    return true;
  }
  if (!value.is_object() || value.empty()) return false;
  member = {Kind::given, {}};
  for (const auto& [name, weight] : value.items()) {
    member.given.emplace_back(name, 0.0);
    if (!read(member.given.back().second, weight, rule, environment)) return false;
  }
  return true;
}
Json written(const ClassWeights& member, const Rule&) {
  using Kind = ClassWeights::Kind;
  if (member.kind != Kind::given) return member.kind == Kind::none ? "none" : "balanced";
  Json object = Json::object();
  for (const auto& [name, weight] : member.given) object[name] = weight;
  return object;
}

// The words that a string in the place of this key may be.
std::vector<std::string> words_of(const ConfigKey& key) {
  std::vector<std::string> words;
  const Json schema = schema_of(key);
  for (const Json& one : schema.value("anyOf", Json::array({schema})))
    for (const Json& word : one.value("enum", Json::array())) words.push_back(word);
  return words;
}

}  // namespace

std::string expectation(const ConfigKey& key) {
  return std::visit([&](const auto* member) { return expected(*member, key.rule); }, key.member);
}

Json schema_of(const ConfigKey& key) {
  return std::visit([&](const auto* member) { return schema(*member, key.rule); }, key.member);
}

bool takes_text(const ConfigKey& key) {
  return std::visit(
      [](const auto* member) {
        using Member = std::remove_cvref_t<decltype(*member)>;
        return NamedEnum<Member> || std::is_same_v<Member, std::string> ||
               std::is_same_v<Member, std::filesystem::path>;
      },
      key.member);
}

Json value_of(const ConfigKey& key) {
  return std::visit([&](const auto* member) { return written(*member, key.rule); }, key.member);
}

void set_value(const ConfigKey& key, const Json& value, const Environment& environment) {
  const bool fits = std::visit(
      [&](auto* member) { return read(*member, value, key.rule, environment); }, key.member);
  if (fits) return;
  std::string problem = fmt::format("expected {}, found {}", expectation(key), json_shown(value));
  if (value.is_string()) {
    std::string word = lower_case(value.get<std::string>());
    if (!key.rule.numbered.empty() && word.starts_with("gpu"))
      word.replace(0, 3, key.rule.numbered);
    if (const auto meant = nearest(word, words_of(key)))
      problem += fmt::format("; did you mean \"{}\"?", *meant);
  }
  throw Error(ErrorKind::usage, problem);
}

}  // namespace graft
