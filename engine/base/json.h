#pragma once
// Bounded JSON reader: refuses duplicate keys, limits nesting and members, and names line and
// column. Typed access to the values that it read.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/base/error.h"

namespace graft {

using Json = nlohmann::ordered_json;  // keeps the order of the file

// A tree takes at most about 40 times the bytes of its text.
struct JsonLimits {
  ErrorKind kind = ErrorKind::data;  // of the Error that a refusal throws
  std::uint64_t bytes = std::uint64_t{1} << 20U;
  std::size_t depth = 16;
  std::size_t members = 1000;  // of one object or array
  bool comments = false;       // whether // and /* */ are allowed
};

// NOLINTNEXTLINE(bugprone-exception-escape): clang-tidy believes that the move of Json may throw
struct JsonDocument {
  Json value;
  // Line of each key, by its path: "data.image_size". Keys inside arrays have none.
  std::map<std::string, std::size_t> lines;
};

// `name` is that of the file, for messages: "NAME:LINE:COLUMN: reason". Throws Error(limits.kind).
JsonDocument read_json(std::string_view text, const std::string& name,
                       const JsonLimits& limits = {});

// One line of JSON. A byte that is not UTF-8 becomes U+FFFD.
std::string json_text(const Json& value);

// The value as a message shows it: short and on one line.
std::string json_shown(const Json& value);

// Throws Error(kind) "KEY: expected EXPECTED, found VALUE".
[[noreturn]] void refuse_json(std::string_view key, std::string_view expected, const Json& found,
                              ErrorKind kind);

// The members of an object of strings, in their order.
using JsonStrings = std::vector<std::pair<std::string, std::string>>;
Json json_object(const JsonStrings& members);

template <typename T>
inline constexpr bool is_json_list = false;
template <typename T>
inline constexpr bool is_json_list<std::vector<T>> = true;

// The value as a T: std::string, bool, double, an integer (never from 2.5, nor an unsigned one from
// -1), a std::vector of these, or JsonStrings. `key` is for the message. Throws Error(kind).
template <typename T>
T json_as(const Json& value, std::string_view key, ErrorKind kind = ErrorKind::data) {
  if constexpr (std::is_same_v<T, JsonStrings>) {
    if (!value.is_object()) refuse_json(key, "an object of strings", value, kind);
    T strings;
    for (const auto& [name, one] : value.items())
      strings.emplace_back(name, json_as<std::string>(one, name, kind));
    return strings;
  } else if constexpr (is_json_list<T>) {
    if (!value.is_array()) refuse_json(key, "an array", value, kind);
    T list;
    list.reserve(value.size());
    for (const Json& one : value) list.push_back(json_as<typename T::value_type>(one, key, kind));
    return list;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) refuse_json(key, "true or false", value, kind);
    return value.get<bool>();
  } else if constexpr (std::is_same_v<T, double>) {
    if (!value.is_number()) refuse_json(key, "a number", value, kind);
    return value.get<double>();
  } else if constexpr (std::integral<T>) {
    const bool fits = value.is_number_unsigned() ? std::in_range<T>(value.get<std::uint64_t>())
                                                 : value.is_number_integer() &&
                                                       std::in_range<T>(value.get<std::int64_t>());
    if (!fits)
      refuse_json(key, std::signed_integral<T> ? "an integer" : "an integer of at least 0", value,
                  kind);
    return value.get<T>();
  } else {
    static_assert(std::is_same_v<T, std::string>);
    if (!value.is_string()) refuse_json(key, "a string", value, kind);
    return value.get<std::string>();
  }
}

// The member of an object. Throws Error(kind) when `object` is none, or lacks the key.
const Json& json_member(const Json& object, std::string_view key, ErrorKind kind = ErrorKind::data);

// The member as a T, as json_as reads it.
template <typename T>
T json_at(const Json& object, std::string_view key, ErrorKind kind = ErrorKind::data) {
  return json_as<T>(json_member(object, key, kind), key, kind);
}

}  // namespace graft
