#include "tools/graft/list_option.h"

#include <algorithm>
#include <optional>

#include "engine/base/json.h"

namespace graft::program {
namespace {

// Up to nine digits: what is longer is no batch and no size, and stays a string.
std::optional<Json> whole_number(std::string_view text) {
  if (text.empty() || text.size() > 9 || !std::all_of(text.begin(), text.end(), [](char digit) {
        return digit >= '0' && digit <= '9';
      }))
    return std::nullopt;
  return Json(std::stoul(std::string(text)));
}

Json element(std::string_view text) {
  if (const auto number = whole_number(text)) return *number;
  const std::size_t cross = text.find('x');
  if (cross != std::string_view::npos) {
    const auto height = whole_number(text.substr(0, cross));
    const auto width = whole_number(text.substr(cross + 1));
    if (height && width) return Json::array({*height, *width});
  }
  return Json(std::string(text));
}

}  // namespace

std::string as_json_list(std::string_view values) {
  Json list = Json::array();
  for (;;) {
    const std::size_t comma = values.find(',');
    list.push_back(element(values.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    values.remove_prefix(comma + 1);
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace graft::program
