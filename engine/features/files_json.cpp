#include "engine/features/files_json.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "engine/base/error.h"
#include "engine/base/file.h"

namespace graft {
namespace {

using Json = nlohmann::ordered_json;

constexpr int files_json_version = 1;
constexpr std::uint64_t largest_files_json = std::uint64_t{1} << 30;

// A JSON string. Names are UTF-8 already; a reason may quote anything.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string quoted_list(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const std::string& text : texts) {
    if (list.size() > 1) list += ", ";
    list += quoted(text);
  }
  return list + "]";
}

FeatureShape parse_shape(const Json& json) {
  if (!json.is_array() || json.size() != 3)
    throw Error(ErrorKind::data, "\"shape\" is not three sizes");
  return {json[0].get<std::size_t>(), json[1].get<std::size_t>(), json[2].get<std::size_t>()};
}

FileList parse_document(const Json& json) {
  if (json.at("version").get<int>() != files_json_version) {
    throw Error(ErrorKind::data, fmt::format("its version is not {}", files_json_version));
  }
  FileList list;
  for (const auto& [name, value] : json.at("key").items()) {
    list.key.settings.emplace_back(name, value.get<std::string>());
  }
  list.shape = parse_shape(json.at("shape"));
  list.classes = json.at("classes").get<std::vector<std::string>>();
  std::unordered_map<std::string, std::uint32_t> labels;
  for (const std::string& name : list.classes) {
    labels.emplace(name, static_cast<std::uint32_t>(labels.size()));
  }
  list.rows.reserve(json.at("rows").size());
  for (const Json& row : json.at("rows")) {
    const auto label = labels.find(row.at("class").get_ref<const std::string&>());
    if (label == labels.end()) throw Error(ErrorKind::data, "a row has a class that is not listed");
    list.rows.push_back({row.at("file").get<std::string>(), label->second,
                         Digest::from_hex(row.at("digest").get_ref<const std::string&>()),
                         Digest::from_hex(row.at("check").get_ref<const std::string&>())});
  }
  for (const Json& file : json.at("skipped")) {
    SkippedFile skipped{
        file.at("file").get<std::string>(), file.at("reason").get<std::string>(), {}};
    if (file.contains("digest")) {
      skipped.content = Digest::from_hex(file.at("digest").get_ref<const std::string&>());
    }
    list.skipped.push_back(std::move(skipped));
  }
  return list;
}

}  // namespace

std::string file_list_json(const FileList& list) {
  std::string json;
  json.reserve(256 + list.rows.size() * 160);
  const auto out = std::back_inserter(json);
  fmt::format_to(out, "{{\n\"version\": {},\n\"key\": {{", files_json_version);
  const char* comma = "";
  for (const auto& [name, value] : list.key.settings) {
    fmt::format_to(out, "{}{}: {}", comma, quoted(name), quoted(value));
    comma = ", ";
  }
  fmt::format_to(out, "}},\n\"shape\": [{}, {}, {}],\n\"classes\": {},\n\"rows\": [",
                 list.shape.height, list.shape.width, list.shape.channels,
                 quoted_list(list.classes));
  comma = "\n";
  for (const FileRow& row : list.rows) {
    fmt::format_to(out, R"({}{{"file": {}, "class": {}, "digest": "{}", "check": "{}"}})", comma,
                   quoted(row.file), quoted(list.classes[row.label]), row.content.hex(),
                   row.check.hex());
    comma = ",\n";
  }
  json += "\n],\n\"skipped\": [";
  comma = "\n";
  for (const SkippedFile& skipped : list.skipped) {
    fmt::format_to(out, R"({}{{"file": {}, "reason": {})", comma, quoted(skipped.file),
                   quoted(skipped.reason));
    if (skipped.content) fmt::format_to(out, R"(, "digest": "{}")", skipped.content->hex());
    json += "}";
    comma = ",\n";
  }
  json += "\n]\n}\n";
  return json;
}

FileList parse_file_list(const std::string& json) {
  try {
    return parse_document(Json::parse(json));
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::data,
                fmt::format("it is not the JSON that was written ({})", error.what()));
  }
}

FileList read_file_list(const std::filesystem::path& path) {
  const std::string json = read_text_file(path, largest_files_json);
  try {
    return parse_file_list(json);
  } catch (const Error& error) {
    throw Error(ErrorKind::data, fmt::format("cannot use {}: {}", path.string(), error.what()));
  }
}

}  // namespace graft
