#include "engine/base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "engine/base/text.h"

namespace graft {
namespace {

// Counts the lines that the parser has read.
struct CountingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  std::size_t* line = nullptr;

  reference operator*() const { return *at; }
  CountingIterator& operator++() {
    if (*at == '\n') ++*line;
    ++at;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at == other.at; }
};

// Builds the document from the parser's events.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, const std::string& name, const JsonLimits& limits,
          const std::size_t& line)
      : text_(text), name_(name), limits_(limits), line_(line) {}

  JsonDocument take() { return std::move(document_); }

  bool null() override { return place(nullptr) != nullptr; }
  bool boolean(bool value) override { return place(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return place(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return place(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override {
    return place(value) != nullptr;
  }
  bool string(string_t& value) override { return place(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return false; }  // not in JSON text

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    Open& object = open_.back();
    object.key = value;
    const bool is_new = object.keys.insert(value).second;
    if (is_new && arrays_ > 0) return true;
    std::string path;
    for (const Open& container : open_)
      path += (path.empty() ? "" : ".") + (container.value->is_array() ? "[]" : container.key);
    if (is_new) {
      document_.lines.emplace(std::move(path), line_);
      return true;
    }
    const auto first = document_.lines.find(path);
    const std::string place =
        first == document_.lines.end() ? "" : fmt::format(" (first in line {})", first->second);
    refuse(fmt::format("{}: duplicate key{}; keep one", printable(path, 200), place));
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& exception) override {
    const std::size_t at = std::min(position == 0 ? 0 : position - 1, text_.size());
    const std::string_view before = text_.substr(0, at);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t newline = before.rfind('\n');
    const std::size_t column = at - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    throw Error(limits_.kind, "{}:{}:{}: this is not JSON: {}{}", name_, line, column,
                reason(exception.what()), hint(at));
  }

 private:
  // A container that has begun and not ended.
  struct Open {
    Json* value = nullptr;
    std::string key;                       // of an object: the current one
    std::unordered_set<std::string> keys;  // of an object: all so far
  };

  [[noreturn]] void refuse(const std::string& sentence) const {
    throw Error(limits_.kind, "{}:{}: {}", name_, line_, sentence);
  }

  Json* place(Json value) {
    if (open_.empty()) {
      document_.value = std::move(value);
      return &document_.value;
    }
    Json& parent = *open_.back().value;
    if (parent.size() >= limits_.members)
      refuse(fmt::format("more than {} entries in one object or array", limits_.members));
    if (parent.is_object()) {
      // Not parent[key]: that searches all keys, and this one is new.
      parent.push_back(Json::object_t::value_type(open_.back().key, std::move(value)));
    } else {
      parent.push_back(std::move(value));
    }
    return &parent.back();
  }

  bool open(Json container) {
    if (open_.size() >= limits_.depth)
      refuse(fmt::format("nested more than {} deep", limits_.depth));
    if (container.is_array()) ++arrays_;
    open_.push_back({place(std::move(container)), {}, {}});
    return true;
  }

  bool close() {
    if (open_.back().value->is_array()) --arrays_;
    open_.pop_back();
    return true;
  }

  // The library's reason without its own numbering and place.
  static std::string reason(std::string_view what) {
    for (const std::string_view mark : {": syntax error", "] "}) {
      const std::size_t found = what.find(mark);
      if (found != std::string_view::npos) return printable(what.substr(found + 2), 240);
    }
    return printable(what, 240);
  }

  // The most common mistake has a plainer name than "unexpected '}'".
  std::string hint(std::size_t at) const {
    if (at >= text_.size() || (text_[at] != '}' && text_[at] != ']')) return "";
    const std::size_t last = text_.substr(0, at).find_last_not_of(" \t\r\n");
    if (last == std::string_view::npos || text_[last] != ',') return "";
    return " (remove the comma before it)";
  }

  std::string_view text_;
  const std::string& name_;
  const JsonLimits& limits_;
  const std::size_t& line_;
  JsonDocument document_;
  std::vector<Open> open_;  // outermost first
  std::size_t arrays_ = 0;  // of open_
};

}  // namespace

JsonDocument read_json(std::string_view text, const std::string& name, const JsonLimits& limits) {
  if (text.size() > limits.bytes)
    throw Error(limits.kind, "{}: larger than {} bytes", name, limits.bytes);
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  std::size_t line = 1;
  Builder builder(text, name, limits, line);
  const CountingIterator first{text.data(), &line};
  const CountingIterator last{text.data() + text.size(), &line};
  constexpr bool strict = true;
  Json::sax_parse(first, last, &builder, nlohmann::detail::input_format_t::json, strict,
                  limits.comments);
  return builder.take();
}

std::string json_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_object(const JsonStrings& members) {
  Json object = Json::object();
  for (const auto& [name, value] : members) object[name] = value;
  return object;
}

std::string json_shown(const Json& value) {
  return value.is_object() ? "an object" : printable(json_text(value), 80);
}

void refuse_json(std::string_view key, std::string_view expected, const Json& found,
                 ErrorKind kind) {
  throw Error(kind, "\"{}\": expected {}, found {}", printable(key, 100), expected,
              json_shown(found));
}

const Json& json_member(const Json& object, std::string_view key, ErrorKind kind) {
  if (!object.is_object()) refuse_json(key, "an object around it", object, kind);
  const auto found = object.find(std::string(key));
  if (found == object.end()) throw Error(kind, "\"{}\" is missing", printable(key, 100));
  return *found;
}

}  // namespace graft
