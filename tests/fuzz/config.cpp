// Configs: JSON up to the first zero byte, then --set options, one a line.

#include "engine/config/config_file.h"
#include "tests/fuzz/fuzz.h"

namespace graft::fuzz {
namespace {

std::optional<std::string> variable(const std::string& name) {
  if (name == "HOME") return "/home/user";
  if (name == "DATA") return "/data";
  return std::nullopt;
}

std::vector<Setting> settings_in(std::string_view lines) {
  std::vector<Setting> settings;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    settings.push_back(parse_setting(std::string(line)));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
  }
  return settings;
}

}  // namespace
}  // namespace graft::fuzz

GRAFT_FUZZ_TARGET(input) {
  using namespace graft;
  using namespace graft::fuzz;
  const Environment environment{variable, "/work"};
  const std::string_view text = text_of(input);
  const std::size_t end = std::min(text.find('\0'), text.size());
  const auto effective = accepted(ErrorKind::usage, [&] {
    const auto settings = settings_in(text.substr(std::min(end + 1, text.size())));
    return effective_config(
        parse_config(text.substr(0, end), "config.json", settings, environment));
  });
  if (!effective) return 0;
  const Environment elsewhere{[](const std::string&) { return std::nullopt; }, "/elsewhere"};
  require(effective_config(parse_config(*effective, "config.json", {}, elsewhere)) == *effective,
          "an effective config reads back anywhere");
  return 0;
}
