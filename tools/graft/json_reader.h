#pragma once
// JSON from people: // and /* */ comments are allowed, a key that stands twice is refused (the
// library alone keeps the last without a word), nesting and members are bounded, and every
// complaint has a line.

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace graft::program {

using Json = nlohmann::ordered_json;  // keeps the order of the file

inline constexpr std::uint64_t maximum_config_bytes = std::uint64_t{1} << 20;
inline constexpr std::size_t maximum_json_depth = 16;
inline constexpr std::size_t maximum_json_members = 1000;  // of one object or array

// NOLINTNEXTLINE(bugprone-exception-escape): it takes the library's move for one that may throw
struct JsonDocument {
  Json value;
  std::map<std::string, std::size_t> lines;  // "data.image_size" → the line where the key stands
};

// `name` is the file's, for messages: "NAME:LINE:COLUMN: reason". Throws Error(usage).
JsonDocument read_json(std::string_view text, const std::string& name);

}  // namespace graft::program
