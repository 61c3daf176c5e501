#include "tools/graft/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "engine/base/error.h"
#include "tools/graft/text.h"

namespace graft::program {
namespace {

// Walks the text and counts the lines that the parser has read, so that its events have a place.
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
  Builder(std::string_view text, std::string name, const std::size_t& line)
      : text_(text), name_(std::move(name)), line_(line) {}

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
    Json& object = *open_.back();
    keys_.back() = value;
    const std::string path = fmt::format("{}", fmt::join(keys_, "."));
    if (object.contains(value)) {
      const auto first = document_.lines.find(path);
      refuse(fmt::format("{}: this key stands twice{}; keep one", printable(path, 200),
                         first == document_.lines.end()
                             ? std::string()
                             : fmt::format(" (first in line {})", first->second)));
    }
    document_.lines.emplace(path, line_);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& exception) override {
    const std::size_t at = std::min(position == 0 ? 0 : position - 1, text_.size());
    const std::string_view before = text_.substr(0, at);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t newline = before.rfind('\n');
    const std::size_t column = at - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    throw Error(ErrorKind::usage, fmt::format("{}:{}:{}: this is not JSON: {}{}", name_, line,
                                              column, reason(exception.what()), hint(at)));
  }

 private:
  [[noreturn]] void refuse(const std::string& sentence) const {
    throw Error(ErrorKind::usage, fmt::format("{}:{}: {}", name_, line_, sentence));
  }

  Json* place(Json value) {
    if (open_.empty()) {
      document_.value = std::move(value);
      return &document_.value;
    }
    Json& parent = *open_.back();
    if (parent.size() >= maximum_json_members)
      refuse(fmt::format("more than {} entries in one object or array", maximum_json_members));
    if (parent.is_object()) {
      // Not parent[key]: the key is known to be new, and the last one is where it goes.
      parent.push_back(Json::object_t::value_type(keys_.back(), std::move(value)));
      return &parent.back();
    }
    parent.push_back(std::move(value));
    return &parent.back();
  }

  bool open(Json container) {
    if (open_.size() >= maximum_json_depth)
      refuse(fmt::format("nested more than {} deep", maximum_json_depth));
    // An element of an array has no name of its own; "[]" keeps its keys apart from its parent's.
    const bool is_object = container.is_object();
    Json* placed = place(std::move(container));
    open_.push_back(placed);
    keys_.emplace_back(is_object ? "" : "[]");
    return true;
  }

  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  // The library's reason without its own numbering and place.
  static std::string reason(std::string_view what) {
    for (const std::string_view mark : {": syntax error", "] "}) {
      const std::size_t found = what.find(mark);
      if (found == std::string_view::npos) continue;
      return printable(what.substr(found + 2), 240);
    }
    return printable(what, 240);
  }

  // The commonest slip has a plainer name than "unexpected '}'".
  std::string hint(std::size_t at) const {
    if (at >= text_.size() || (text_[at] != '}' && text_[at] != ']')) return "";
    const std::size_t last = text_.substr(0, at).find_last_not_of(" \t\r\n");
    if (last == std::string_view::npos || text_[last] != ',') return "";
    return " (the comma before it is one too many)";
  }

  std::string_view text_;
  std::string name_;
  const std::size_t& line_;
  JsonDocument document_;
  std::vector<Json*> open_;        // containers, outermost first
  std::vector<std::string> keys_;  // the present key of each
};

}  // namespace

JsonDocument read_json(std::string_view text, const std::string& name) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  if (text.size() > maximum_config_bytes)
    throw Error(ErrorKind::usage, fmt::format("{}: larger than {} bytes, which no config is", name,
                                              maximum_config_bytes));
  std::size_t line = 1;
  Builder builder(text, name, line);
  const CountingIterator first{text.data(), &line};
  const CountingIterator last{text.data() + text.size(), &line};
  constexpr bool strict = true;
  constexpr bool ignore_comments = true;
  Json::sax_parse(first, last, &builder, nlohmann::detail::input_format_t::json, strict,
                  ignore_comments);
  return builder.take();
}

}  // namespace graft::program
