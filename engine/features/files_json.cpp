#include "engine/features/files_json.h"

#include <fmt/format.h>

#include <iterator>
#include <unordered_map>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/json.h"

namespace graft {
namespace {

constexpr unsigned files_json_version = 1;
constexpr JsonLimits limits = {ErrorKind::data, std::uint64_t{1} << 30U, 4, std::size_t{1} << 30U,
                               false};

std::string quoted_list(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const std::string& text : texts) {
    if (list.size() > 1) list += ", ";
    list += json_text(text);
  }
  return list + "]";
}

Digest digest_at(const Json& object, const char* key) {
  return Digest::from_hex(json_at<std::string>(object, key));
}

FileList parse_document(const Json& json) {
  if (json_at<unsigned>(json, "version") != files_json_version) {
    throw Error(ErrorKind::data, fmt::format("\"version\" is not {}", files_json_version));
  }
  FileList list;
  list.key.settings = json_at<JsonStrings>(json, "key");
  const auto shape = json_at<std::vector<std::size_t>>(json, "shape");
  if (shape.size() != 3) throw Error(ErrorKind::data, "\"shape\" is not three sizes");
  list.shape = {shape[0], shape[1], shape[2]};
  list.classes = json_at<std::vector<std::string>>(json, "classes");
  std::unordered_map<std::string, std::uint32_t> labels;
  for (const std::string& name : list.classes) {
    labels.emplace(name, static_cast<std::uint32_t>(labels.size()));
  }
  for (const Json& row : json_member(json, "rows")) {
    const auto label = labels.find(json_at<std::string>(row, "class"));
    if (label == labels.end()) throw Error(ErrorKind::data, "a row has a class that is not listed");
    list.rows.push_back({json_at<std::string>(row, "file"), label->second, digest_at(row, "digest"),
                         digest_at(row, "check")});
  }
  for (const Json& file : json_member(json, "skipped")) {
    list.skipped.push_back(
        {json_at<std::string>(file, "file"), json_at<std::string>(file, "reason"), {}});
    if (file.contains("digest")) list.skipped.back().content = digest_at(file, "digest");
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
    fmt::format_to(out, "{}{}: {}", comma, json_text(name), json_text(value));
    comma = ", ";
  }
  fmt::format_to(out, "}},\n\"shape\": [{}, {}, {}],\n\"classes\": {},\n\"rows\": [",
                 list.shape.height, list.shape.width, list.shape.channels,
                 quoted_list(list.classes));
  comma = "\n";
  for (const FileRow& row : list.rows) {
    fmt::format_to(out, R"({}{{"file": {}, "class": {}, "digest": "{}", "check": "{}"}})", comma,
                   json_text(row.file), json_text(list.classes[row.label]), row.content.hex(),
                   row.check.hex());
    comma = ",\n";
  }
  json += "\n],\n\"skipped\": [";
  comma = "\n";
  for (const SkippedFile& skipped : list.skipped) {
    fmt::format_to(out, R"({}{{"file": {}, "reason": {})", comma, json_text(skipped.file),
                   json_text(skipped.reason));
    if (skipped.content) fmt::format_to(out, R"(, "digest": "{}")", skipped.content->hex());
    json += "}";
    comma = ",\n";
  }
  json += "\n]\n}\n";
  return json;
}

FileList parse_file_list(const std::string& text, const std::string& name) {
  const Json json = read_json(text, name, limits).value;
  try {
    return parse_document(json);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", name, error.what()));
  }
}

FileList read_file_list(const std::filesystem::path& path) {
  return parse_file_list(read_text_file(path, limits.bytes), path.string());
}

}  // namespace graft
