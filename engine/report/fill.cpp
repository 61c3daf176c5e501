#include "engine/report/fill.h"

#include <fmt/format.h>

#include <kainjow/mustache.hpp>
#include <stdexcept>

#include "engine/base/text.h"

namespace graft {
namespace {

namespace mustache = kainjow::mustache;

mustache::data data_of(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.4f}", value.get<double>());
  if (value.is_number()) return value.dump();
  mustache::data data(value.is_array() ? mustache::data::type::list : mustache::data::type::object);
  for (const auto& [name, element] : value.items()) {
    if (value.is_array()) {
      data.push_back(data_of(element));
    } else {
      data.set(name, data_of(element));
    }
  }
  return data;
}

// The library shows nothing for a name without a value.
class StrictContext : public mustache::context<std::string> {
 public:
  using context::context;
  const mustache::data* get(const std::string& name) const override {
    if (const mustache::data* value = context::get(name)) return value;
    throw std::logic_error(fmt::format("the template's {} has no value", name));
  }
};

std::string escaped(const std::string& text) {
  std::string result = printable(text);
  for (const char* in_no_xml : {"\xEF\xBF\xBE", "\xEF\xBF\xBF"})
    result = replace_all(result, in_no_xml, "?");
  return mustache::html_escape(result);
}

}  // namespace

std::string fill(std::string_view text, const Json& values) {
  mustache::mustache parsed{std::string(text)};
  if (!parsed.is_valid()) throw std::logic_error("the template: " + parsed.error_message());
  parsed.set_custom_escape(escaped);
  const mustache::data data = data_of(values);
  StrictContext context(&data);
  return parsed.render(context);
}

}  // namespace graft
