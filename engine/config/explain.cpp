#include <fmt/format.h>

#include <string_view>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/config/keys.h"

namespace graft {
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

constexpr std::string_view markdown_head = R"(# Config files

One JSON file describes a run. Copy one of those next to this page: `solar_cells.json` is what the
quickstart runs, `cats_and_dogs.json` is for folders of your own, `keras_blog.json` is the recipe that
results are compared with.

`graft config explain --markdown` writes this page from the table that checks every config.
`graft config explain KEY` shows a key on a terminal. `graft config check FILE` checks a file and prints
it with every key.

- Only `data.train` is required, so `{"data": {"train": "photos"}}` is a complete config. Every other key
  has the default below.
- Every command accepts a folder of photos for the config. `graft run photos` takes its sub-folders as
  classes, or `train` and `validation` as the two sets when it has just these, and writes to
  `runs/photos`. `--set` and `--output` override.
- In a folder of images, files named .png, .jpg, .jpeg, .jpe, .jfif, .webp, .gif, .bmp, .dib, .ppm, .pgm,
  .pbm, .pnm, .tif and .tiff, in any case, are images; the first bytes decide how each is read. Of an
  animation the first frame counts. A link to a folder is followed unless that folder is read already.
  Hidden files and folders (with a leading dot) are ignored, and what systems make: `@eaDir`, `@Recycle`,
  `#recycle`, `#snapshot`, `__MACOSX`, `Thumbs.db`, `desktop.ini`, `$RECYCLE.BIN`,
  `System Volume Information`, `lost+found` and the like. A warning counts everything else that is not
  used, by extension. `graft predict FOLDER` has the same rules.
- In a `.csv` file (RFC 4180, UTF-8) each line below the header is an image. `path` is relative to the
  file's folder, or absolute, and may have any name. Other columns are noted and ignored. The order of
  lines has no effect.
- `"$schema": "graft.schema.json"`, which the program ignores, names a JSON Schema with which an editor
  completes keys, explains them and marks mistakes. In VS Code choose the language "JSON with Comments".
  `graft config schema` writes that file; rules between keys are not in it.
- `//` and `/* */` comments are allowed. An unknown key, a duplicate key and a wrong value are refused
  with their place and, where one is near, the key that was probably meant.
- `16`, `16.0` and `1.6e1` are the same integer.
- Paths: a leading `~/` is the home folder, `${NAME}` a variable of the environment (`$${` is a plain
  `${`). `${GRAFT_CACHE}`, when it is not set, is `$XDG_CACHE_HOME/graft` or `~/.cache/graft`. A relative
  path begins in the working folder.
- `--set key.path=value` overrides a key: the value is read as JSON where it is JSON, else as text. The
  last one of a key counts.
- The config that a run really used, with every key and absolute paths, is written to
  `OUTPUT/result/config.json`. That file is a config too, and every command accepts the folder `OUTPUT`
  for it.
)";

}  // namespace

std::string explain_for_terminal(const std::string& key_or_section) {
  std::string text;
  for (const ConfigKey& key : default_keys()) {
    const bool wanted = key_or_section.empty() || key.path == key_or_section ||
                        key.path.starts_with(key_or_section + '.');
    if (!wanted) continue;
    if (!text.empty()) text += '\n';
    text += key.path + '\n';
    text += wrapped(fmt::format("{}; {}{}", expectation(key), key.rule.required ? "" : "default ",
                                default_text(key)),
                    "    ");
    text += wrapped(key.text, "    ");
  }
  if (!text.empty()) return text;
  const auto meant = suggestion_for(key_or_section);
  throw Error(
      ErrorKind::usage, "{}: no such key; {}", printable(key_or_section, 200),
      meant ? fmt::format("did you mean \"{}\"?", *meant) : "`graft config explain` lists them");
}

std::string explain_as_markdown() {
  std::string text(markdown_head);
  for (const std::string& section : section_names()) {
    text += section.empty() ? "\n## At the top\n\n" : fmt::format("\n## {}\n\n", section);
    text += "| key | holds | default | what it does |\n|---|---|---|---|\n";
    for (const ConfigKey& key : default_keys()) {
      if (key.section() != section) continue;
      const std::string fallback =
          key.rule.required ? "**required**" : fmt::format("`{}`", default_text(key));
      text += fmt::format("| `{}` | {} | {} | {} |\n", key.path,
                          replace_all(expectation(key), "|", "\\|"), fallback,
                          replace_all(key.text, "|", "\\|"));
    }
  }
  return text;
}

std::string config_schema() {
  const auto place = [](const std::string& path) {
    return Json::json_pointer("/properties/" + replace_all(path, ".", "/properties/"));
  };
  const Json section = {{"type", "object"}, {"additionalProperties", false}};
  Json root = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}};
  root.update(section);
  root[place("$schema")] = {{"type", "string"}};
  for (const ConfigKey& key : default_keys()) {
    Json& property = root[place(key.path)] = {{"description", key.text}};
    property.update(schema_of(key));
    if (!key.rule.required) {
      property["default"] = Json::parse(default_text(key));
      continue;
    }
    root[place(key.section())]["required"] = Json::array({key.name()});
    root["required"] = Json::array({key.section()});
  }
  for (const std::string& name : section_names())
    if (!name.empty()) root[place(name)].update(section);
  return root.dump(2) + '\n';
}

}  // namespace graft
