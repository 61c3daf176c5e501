#include "engine/config/paths.h"

#include <algorithm>
#include <cstdlib>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {
namespace {

std::string home(const Environment& environment) {
  if (auto value = environment.variable("HOME")) return *value;
  throw Error(ErrorKind::usage, "the path begins in the home folder, but HOME is not set");
}

std::string value_of(const std::string& name, const Environment& environment) {
  if (auto value = environment.variable(name)) return *value;
  if (name == "GRAFT_CACHE") {
    if (const auto cache = environment.variable("XDG_CACHE_HOME")) return *cache + "/graft";
    return home(environment) + "/.cache/graft";
  }
  throw Error(ErrorKind::usage,
              "the environment variable {} is not set; set it, or write the path out",
              printable(name, 100));
}

bool climbs(const std::filesystem::path& path) {
  return std::find(path.begin(), path.end(), "..") != path.end();
}

}  // namespace

Environment process_environment() {
  std::error_code failure;
  Environment environment;
  environment.working_folder = std::filesystem::current_path(failure);
  if (failure)
    throw Error(ErrorKind::io, "the working folder cannot be named: {}", failure.message());
  environment.variable = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
  return environment;
}

std::filesystem::path expand_path(std::string_view text, const Environment& environment) {
  std::string expanded;
  if (text == "~" || text.starts_with("~/")) {
    expanded = home(environment);
    text.remove_prefix(1);
  }
  while (!text.empty()) {
    if (text.starts_with("$${")) {
      expanded += "${";
      text.remove_prefix(3);
    } else if (text.starts_with("${")) {
      const std::size_t end = text.find('}');
      if (end == std::string_view::npos)
        throw Error(ErrorKind::usage, "\"${\" has no \"}\"; write $${ for a plain ${");
      expanded += value_of(std::string(text.substr(2, end - 2)), environment);
      text.remove_prefix(end + 1);
    } else {
      expanded += text.front();
      text.remove_prefix(1);
    }
  }
  std::filesystem::path path = environment.working_folder / expanded;
  // "link/.." is not always where it seems to be: a path that climbs is left as it is written.
  if (!climbs(path)) path = path.lexically_normal();
  if (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  return path;
}

std::string path_text(const std::filesystem::path& path) {
  return replace_all(path.string(), "${", "$${");
}

}  // namespace graft
