#include "tools/graft/explain.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "tools/graft/schema.h"

namespace graft::program {
namespace {

constexpr std::size_t line_width = 92;

// Words of `text` in lines that begin with `indent`.
std::string wrapped(std::string_view text, std::string_view indent) {
  std::string result;
  std::string line(indent);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    if (line.size() > indent.size() && line.size() + 1 + word.size() > line_width) {
      result += line + '\n';
      line = indent;
    }
    if (line.size() > indent.size()) line += ' ';
    line += word;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result + line + '\n';
}

std::string with_bars_escaped(std::string_view text) {
  return replace_all(text, "|", "\\|");
}

constexpr std::string_view markdown_head = R"(# Config files

One JSON file says everything about a run. The two beside this page are meant to be copied:
`solar_cells.json` is what the quickstart runs, `cats_and_dogs.json` is for a folder of your own.

This page is made by `graft config explain --markdown` from the table that checks every config, so it
cannot say anything else than the program does. `graft config explain KEY` says the same on a terminal;
`graft config check FILE` checks a file and prints it with every key.

- Only three things are required: `data.train`, `backbone.weights`, and one of `data.validation` and
  `data.validation_split`. Every other key has the default below.
- `//` and `/* */` comments are allowed. A key that is unknown, or stands twice, or holds what it may
  not hold, is refused with its place and, where one is near, the key that was probably meant.
- Numbers whose value is whole count as integers, however they are written: `16`, `16.0` and `1.6e1`.
- Paths: a leading `~/` is the home folder, `${NAME}` a variable of the environment (`$${` is a plain
  `${`). `${GRAFT_CACHE}`, when it is not set, is `$XDG_CACHE_HOME/graft` or `~/.cache/graft`. A relative
  path begins where the program is started.
- `--set key.path=value` overrides a key: the value is read as JSON where it is JSON, else as text. With
  several of one key the last counts.
- `bench` is for `graft bench` alone, which needs none of the required keys; it may be left out, and
  the config that a run writes has it only where it says something.
- The config that a run really used, with every key and absolute paths, is written to
  `OUTPUT/config.json`. That file is a config too, and every command takes the folder `OUTPUT` for it.
)";

}  // namespace

std::string explain_for_terminal(const std::string& key_or_section) {
  std::string text;
  for (const Key& key : schema()) {
    const bool wanted = key_or_section.empty() || key.path == key_or_section ||
                        key.path.starts_with(key_or_section + '.');
    if (!wanted) continue;
    if (!text.empty()) text += '\n';
    text += key.path + '\n';
    text += wrapped(fmt::format("{}; {}{}", expectation(key), key.required ? "" : "default ",
                                default_text(key)),
                    "    ");
    text += wrapped(key.doc, "    ");
  }
  if (!text.empty()) return text;
  const auto meant = suggestion_for(key_or_section);
  throw Error(ErrorKind::usage, fmt::format("{}: no such key; {}", printable(key_or_section, 200),
                                            meant ? fmt::format("did you mean \"{}\"?", *meant)
                                                  : "`graft config explain` lists them"));
}

std::string explain_as_markdown() {
  std::string text(markdown_head);
  for (const std::string& section : section_names()) {
    text += section.empty() ? "\n## At the top\n\n" : fmt::format("\n## {}\n\n", section);
    text += "| key | holds | default | what it does |\n|---|---|---|---|\n";
    for (const Key& key : schema()) {
      if (key.section() != section) continue;
      const std::string fallback =
          key.required ? "**required**" : fmt::format("`{}`", default_text(key));
      text +=
          fmt::format("| `{}` | {} | {} | {} |\n", key.path, with_bars_escaped(expectation(key)),
                      fallback, with_bars_escaped(key.doc));
    }
  }
  return text;
}

}  // namespace graft::program
