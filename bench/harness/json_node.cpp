#include "bench/harness/json_node.h"

#include <fmt/format.h>

#include <cmath>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft::bench {
namespace {

constexpr int deepest = 32;  // a result has 4, a config within it some more

}  // namespace

Json parse_result_text(std::string_view text, const std::string& file) {
  std::size_t values = 0;
  const auto bounded = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > deepest)
      throw Error(ErrorKind::data,
                  fmt::format("{}: nested more than {} deep, which no result is", file, deepest));
    if (++values > most_values)
      throw Error(ErrorKind::data,
                  fmt::format("{}: holds more than {} values, which no result does", file,
                              grouped(most_values)));
    return true;
  };
  try {
    return Json::parse(text, bounded);
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::data, fmt::format("{}: this is not JSON ({}); a result of graft bench "
                                             "is written by --json",
                                             file, error.what()));
  }
}

JsonNode JsonNode::operator[](const std::string& key) const {
  if (!value_->is_object()) refuse_type("an object");
  const auto found = value_->find(key);
  JsonNode node(found == value_->end() ? *value_ : *found, key_.empty() ? key : key_ + "." + key,
                *file_);
  if (found == value_->end()) node.refuse("is missing");
  return node;
}

std::vector<JsonNode> JsonNode::list() const {
  if (!value_->is_array()) refuse_type("a list");
  std::vector<JsonNode> nodes;
  nodes.reserve(value_->size());
  for (const Json& element : *value_)
    nodes.emplace_back(element, fmt::format("{}[{}]", key_, nodes.size()), *file_);
  return nodes;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
  if (!value_->is_object()) refuse_type("an object");
  std::vector<std::pair<std::string, JsonNode>> nodes;
  for (const auto& [key, value] : value_->items())
    nodes.emplace_back(key, JsonNode(value, key_ + "." + key, *file_));
  return nodes;
}

double JsonNode::number() const {
  if (!value_->is_number()) refuse_type("a number");
  const auto number = value_->get<double>();
  if (!std::isfinite(number)) refuse("is too large");
  return number;
}

double JsonNode::number_from(double least) const {
  const double value = number();
  if (value < least) refuse(fmt::format("{} is less than {}", value, least));
  return value;
}

std::size_t JsonNode::count() const {
  if (!value_->is_number_unsigned()) refuse_type("a whole number from 0 on");
  return value_->get<std::size_t>();
}

bool JsonNode::flag() const {
  if (!value_->is_boolean()) refuse_type("true or false");
  return value_->get<bool>();
}

std::string JsonNode::text() const {
  if (!value_->is_string()) refuse_type("a text");
  return value_->get<std::string>();
}

std::vector<std::string> JsonNode::texts() const {
  std::vector<std::string> texts;
  for (const JsonNode& node : list()) texts.push_back(node.text());
  return texts;
}

std::optional<double> JsonNode::number_or_null() const {
  return is_null() ? std::nullopt : std::optional(number());
}

std::optional<std::size_t> JsonNode::count_or_null() const {
  return is_null() ? std::nullopt : std::optional(count());
}

std::optional<bool> JsonNode::flag_or_null() const {
  return is_null() ? std::nullopt : std::optional(flag());
}

void JsonNode::refuse(const std::string& reason) const {
  throw Error(ErrorKind::data,
              fmt::format("{}: {}: {}", *file_, key_.empty() ? "the whole file" : key_, reason));
}

void JsonNode::refuse_type(std::string_view wanted) const {
  refuse(fmt::format("is {} where {} is due", value_->type_name(), wanted));
}

}  // namespace graft::bench
