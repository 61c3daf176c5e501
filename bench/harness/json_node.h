#pragma once
// JSON that a file holds, value by value: each access names the file and the key when it complains.

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace graft::bench {

using Json = nlohmann::ordered_json;  // keeps the order of axes and stages

// Twice those of the longest run. A value takes 16 bytes or more, and may stand in 2.
inline constexpr std::size_t most_values = 16'000'000;

// Throws Error(data) for what is no JSON, for nesting deeper than a result's and for more values
// than that.
Json parse_result_text(std::string_view text, const std::string& file);

// A value and where it stands. The document and `file` outlive it. Every member function throws
// Error(data) "FILE: KEY: reason" where the value is something else.
class JsonNode {
 public:
  JsonNode(const Json& value, std::string key, const std::string& file)
      : value_(&value), key_(std::move(key)), file_(&file) {}

  JsonNode operator[](const std::string& key) const;
  std::vector<JsonNode> list() const;
  std::vector<std::pair<std::string, JsonNode>> members() const;
  const std::string& file() const { return *file_; }
  bool is_null() const { return value_->is_null(); }

  double number() const;
  double number_from(double least) const;
  std::size_t count() const;
  bool flag() const;
  std::string text() const;
  std::vector<std::string> texts() const;
  std::string dumped() const { return is_null() ? "" : value_->dump(); }

  std::optional<double> number_or_null() const;
  std::optional<std::size_t> count_or_null() const;
  std::optional<bool> flag_or_null() const;

  // The value of `all` whose name_of is this text.
  template <typename Words>
  typename Words::value_type word(const Words& all) const;

  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  [[noreturn]] void refuse_type(std::string_view wanted) const;

  const Json* value_;
  std::string key_;  // "measurements[3].cost.flop"
  const std::string* file_;
};

template <typename Words>
typename Words::value_type JsonNode::word(const Words& all) const {
  const std::string name = text();
  std::string known;
  for (const auto value : all) {
    if (name_of(value) == name) return value;
    known += known.empty() ? "" : ", ";
    known += name_of(value);
  }
  refuse("\"" + name + "\" is none of " + known);
}

}  // namespace graft::bench
