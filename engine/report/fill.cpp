#include "engine/report/fill.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>
#include <vector>

#include "engine/base/text.h"

namespace graft {
namespace {

using Scopes = std::vector<const Json*>;

const Json& value_named(std::string_view name, const Scopes& scopes) {
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
    if ((*scope)->is_object() && (*scope)->contains(name)) return (**scope)[std::string(name)];
  }
  throw std::logic_error(fmt::format("the template's {} has no value", name));
}

std::string text_of(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  return value.is_number_float() ? fmt::format("{:.4f}", value.get<double>()) : value.dump();
}

bool is_shown(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  return value.is_string() ? !value.get<std::string>().empty() : !value.empty();
}

// Control characters and what XML cannot hold become '?', bytes that are not UTF-8 become \xNN.
std::string escaped(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> escapes[] = {
      {"&", "&amp;"}, {"<", "&lt;"},         {">", "&gt;"},        {"\"", "&quot;"},
      {"'", "&#39;"}, {"\xEF\xBF\xBE", "?"}, {"\xEF\xBF\xBF", "?"}};
  std::string result = printable(escape_invalid_utf8(text));
  for (const auto& [from, to] : escapes) result = replace_all(result, from, to);
  return result;
}

// Up to {{/name}}.
std::string_view rest_of_section(std::string_view text, std::string_view name) {
  const std::size_t end = text.find(fmt::format("{{{{/{}}}}}", name));
  if (end == std::string_view::npos) {
    throw std::logic_error(fmt::format("the template's section {} does not end", name));
  }
  return text.substr(0, end);
}

void fill_in(std::string& result, std::string_view text, Scopes& scopes) {
  for (std::size_t open; (open = text.find("{{")) != std::string_view::npos;) {
    result += text.substr(0, open);
    const bool is_raw = text.substr(open).starts_with("{{{");
    text.remove_prefix(open + (is_raw ? 3 : 2));
    std::string_view name = text.substr(0, text.find("}}"));
    text.remove_prefix(name.size() + (is_raw ? 3 : 2));
    const char kind = name.empty() ? '\0' : name[0];
    if (kind != '#' && kind != '^') {
      const std::string value = text_of(value_named(name, scopes));
      result += is_raw ? value : escaped(value);
      continue;
    }
    name.remove_prefix(1);
    const Json& value = value_named(name, scopes);
    const std::string_view inside = rest_of_section(text, name);
    text.remove_prefix(inside.size() + name.size() + 5);  // {{/name}}
    if (is_shown(value) != (kind == '#')) continue;
    const auto fill_with = [&](const Json& scope) {
      scopes.push_back(&scope);
      fill_in(result, inside, scopes);
      scopes.pop_back();
    };
    if (kind == '#' && value.is_array()) {
      for (const Json& element : value) fill_with(element);
    } else {
      fill_with(value);
    }
  }
  result += text;
}

}  // namespace

std::string fill(std::string_view text, const Json& values) {
  std::string result;
  Scopes scopes = {&values};
  fill_in(result, text, scopes);
  return result;
}

std::string_view section_of(std::string_view text, std::string_view name) {
  const std::string open = fmt::format("{{{{#{}}}}}", name);
  return rest_of_section(text.substr(text.find(open) + open.size()), name);
}

}  // namespace graft
