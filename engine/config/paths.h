#pragma once
// Paths in a config. A leading ~/ and every ${NAME} of the environment are expanded; $${ is a plain
// ${. The result is absolute.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace graft {

// What a path may depend on.
struct Environment {
  // Nothing when the variable is unset or empty: "${DATA}/train" must never become "/train".
  std::function<std::optional<std::string>(const std::string& name)> variable;
  std::filesystem::path working_folder;
};
Environment process_environment();

// ${GRAFT_CACHE}: the variable, else $XDG_CACHE_HOME/graft, else ~/.cache/graft.
// Throws Error(usage), a sentence without a place, for a variable that is not set or not closed.
std::filesystem::path expand_path(std::string_view text, const Environment& environment);

// The text that expand_path reads back as this absolute path.
std::string path_text(const std::filesystem::path& path);

}  // namespace graft
