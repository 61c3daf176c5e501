#include "engine/config/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/folder.h"
#include "engine/base/json.h"
#include "engine/base/result_folder.h"
#include "engine/base/text.h"
#include "engine/config/keys.h"

namespace graft {
namespace {

constexpr JsonLimits config_limits{.kind = ErrorKind::usage, .comments = true};

[[noreturn]] void refuse(const std::string& where, const std::string& path,
                         const std::string& sentence) {
  throw Error(ErrorKind::usage, "{}: {}: {}", where, printable(path, 200), sentence);
}

// Puts values into a Config.
class Reader {
 public:
  using Where = std::function<std::string(const std::string& path)>;  // the place, for messages

  Reader(Config& config, const Environment& environment, Where where)
      : keys_(keys_of(config)), environment_(environment), where_(std::move(where)) {}

  void read(const std::string& path, const Json& value) {
    if (const ConfigKey* key = find_key(keys_, path)) {
      try {
        set_value(*key, value, environment_);
      } catch (const Error& error) {
        refuse(where_(path), path, error.what());
      }
    } else if (path.empty() || is_section(path)) {
      read_section(path, value);
    } else {
      const auto meant = suggestion_for(path);
      refuse(where_(path), path,
             meant ? fmt::format("no such key; did you mean \"{}\"?", *meant)
                   : "no such key; `graft config explain` lists them");
    }
  }

 private:
  void read_section(const std::string& path, const Json& value) {
    if (!value.is_object())
      refuse(where_(path), path.empty() ? "the config" : path,
             fmt::format("expected an object {{…}}, found {}", json_shown(value)));
    for (const auto& [name, inner] : value.items()) {
      if (path.empty() && name == "$schema") {  // for editors
        if (inner.is_string()) continue;
        refuse(where_(name), name, fmt::format("expected a text, found {}", json_shown(inner)));
      }
      const std::string inner_path = path.empty() ? name : path + '.' + name;
      if (name.find('.') != std::string::npos)
        refuse(where_(inner_path), inner_path,
               "keys nest in a config file: {\"data\": {\"train\": …}}, not {\"data.train\": …}");
      read(inner_path, inner);
    }
  }

  std::vector<ConfigKey> keys_;
  const Environment& environment_;
  Where where_;
};

// 5, [256, 128], "text" or true as JSON; anything else is the text itself. A path named 5 is text
// too.
Json json_of(const Setting& setting) {
  if (is_section(setting.path) && !setting.value.starts_with('{')) {
    std::string keys;
    for (const ConfigKey& key : default_keys())
      if (key.path.starts_with(setting.path + '.')) keys += (keys.empty() ? "" : ", ") + key.path;
    refuse(setting.option, setting.path, "this is a section; set one of its keys: " + keys);
  }
  Json value;
  try {
    value = read_json(setting.value, setting.option, config_limits).value;
  } catch (const Error&) {
    if (is_section(setting.path)) throw;  // an object was meant
    return setting.value;
  }
  const ConfigKey* key = find_key(default_keys(), setting.path);
  const bool is_text = key != nullptr && takes_text(*key) && !value.is_string();
  return is_text ? Json(setting.value) : value;
}

void apply(Config& config, std::span<const Setting> settings, const Environment& environment) {
  for (const Setting& setting : settings) {
    if (setting.path.empty()) refuse(setting.option, "\"\"", "a key is needed before the =");
    const auto where = [&](const std::string&) { return setting.option; };
    Reader(config, environment, where).read(setting.path, json_of(setting));
  }
}

// Fills in what follows from other keys.
void complete(Config& config, const std::string& name) {
  for (const ConfigKey& key : keys_of(config)) {
    if (key.rule.required && value_of(key) == Json(""))
      refuse(name, key.path, "this key is required: " + key.text);
  }
  if (config.backbone.weights.empty())
    refuse(name, "backbone.weights",
           "the default is in ${GRAFT_CACHE}, and neither that nor HOME is set; name a file");
  if (!config.data.validation.empty() && config.data.validation_split > 0.0)
    refuse(name, "data.validation_split",
           "give either data.validation or data.validation_split, not both; "
           "\"\" and 0 switch them off");
  if (config.data.validation.empty() && config.data.validation_split == 0.0 &&
      !is_csv_file(config.data.train))
    config.data.validation_split = default_validation_split;
  const FeatureSource& source = config.features.source;
  if (source.layers.size() > 1 && source.pooling == Pooling::none)
    refuse(name, "features.layers",
           "more than one layer needs a features.pooling, such as \"average_max\"");
}

// Relative paths in the defaults mean what the same text in a config would mean.
Config defaults(const Environment& environment) {
  Config config;
  for (const ConfigKey& key : keys_of(config)) {
    const auto* path = std::get_if<std::filesystem::path*>(&key.member);
    if (path == nullptr) continue;
    try {
      const std::string text = key.rule.fallback.empty() ? path_text(**path) : key.rule.fallback;
      if (!text.empty()) **path = expand_path(text, environment);
    } catch (const Error&) {  // without a home folder there is no cache
      if (key.rule.fallback.empty()) throw;
    }
  }
  return config;
}

void read_text(Config& config, std::string_view text, const std::string& name,
               const Environment& environment) {
  const JsonDocument document = read_json(text, name, config_limits);
  const auto where = [&](const std::string& path) {
    const auto line = document.lines.find(path);
    return line == document.lines.end() ? name : fmt::format("{}:{}", name, line->second);
  };
  Reader(config, environment, where).read("", document.value);
}

std::string read_config_text(const std::filesystem::path& file) {
  try {
    std::string text = read_text_file(file, config_limits.bytes);
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") ||
        text.substr(0, 4).find('\0') != std::string::npos)
      throw Error(ErrorKind::usage, shown(file) + " is UTF-16 or UTF-32 text; save it as UTF-8");
    return text;
  } catch (const Error& error) {
    // A config that does not exist or is too large is a wrong argument, not a failing disk.
    std::error_code failure;
    const bool exists = std::filesystem::exists(file, failure);
    const bool is_large = exists && std::filesystem::file_size(file, failure) > config_limits.bytes;
    if (failure || (exists && !is_large)) throw;
    throw Error(ErrorKind::usage, "the config cannot be read: {}", error.what());
  }
}

bool is_folder(const std::filesystem::path& path) {
  std::error_code failure;
  return std::filesystem::is_directory(path, failure);
}

// The config.json of a run: of its finished set, else of the set that it was making, else in the
// folder itself. Without one `source`.
std::filesystem::path config_file_of(const std::filesystem::path& source) {
  if (!is_folder(source)) return source;
  std::error_code failure;
  for (const auto& folder : {finished_set(source), next_set(source), source}) {
    if (std::filesystem::exists(folder / "config.json", failure)) return folder / "config.json";
  }
  return source;
}

// Takes `source` as photos.
void read_photo_folder(Config& config, const std::filesystem::path& source,
                       const Environment& environment) {
  const auto refuse_folder = [&](const std::string& sentence) {
    throw Error(ErrorKind::usage, shown(source) + ": this folder " + sentence);
  };
  std::filesystem::path folder;
  std::set<std::string> names;  // of its folders, without ignored ones
  try {
    folder = std::filesystem::canonical(source);
    for (const FolderEntry& entry : list_folder(folder).entries)
      if (!is_ignored_name(entry.name) && entry.is_folder) names.insert(entry.name);
  } catch (const std::filesystem::filesystem_error& error) {
    refuse_folder("cannot be read: " + error.code().message());
  }
  if (names.empty())
    refuse_folder(
        "is neither a run (it has no config.json) nor photos (it has no sub-folders); give a "
        "config, a run's `output`, or a folder with one sub-folder per class");
  const bool is_two_sets = names == std::set<std::string>{"train", "validation"};
  config.data.train = is_two_sets ? folder / "train" : folder;
  if (is_two_sets) config.data.validation = folder / "validation";
  config.output = environment.working_folder / "runs" / folder.filename();
}

}  // namespace

Setting parse_setting(const std::string& argument) {
  const std::size_t equals = argument.find('=');
  const std::string option = fmt::format("--set {}", printable(argument, 120));
  if (equals == std::string::npos)
    throw Error(ErrorKind::usage, option + ": write it as key=value, for example train.epochs=5");
  return {option, argument.substr(0, equals), argument.substr(equals + 1)};
}

bool is_csv_file(const std::filesystem::path& path) {
  return (path.extension() == ".csv" || path.extension() == ".CSV") && !is_folder(path);
}

bool is_ignored_name(std::string_view name) {
  constexpr std::string_view system_names =  // between slashes, which no name holds
      "/@eadir/#recycle/#snapshot/@recycle/@recently-snapshot/"       // Synology, QNAP
      "__macosx/network trash folder/temporary items/icon\r/"         // macOS
      "$recycle.bin/recycler/system volume information/desktop.ini/"  // Windows
      "thumbs.db/ehthumbs.db/ehthumbs_vista.db/"
      "lost+found/";
  return name.starts_with('.') ||
         system_names.find('/' + lower_case(name) + '/') != system_names.npos;
}

Config parse_config(std::string_view text, const std::string& name,
                    std::span<const Setting> settings, const Environment& environment) {
  Config config = defaults(environment);
  read_text(config, text, name, environment);
  apply(config, settings, environment);
  complete(config, name);
  return config;
}

Config load_settings(const std::filesystem::path& source, std::span<const Setting> settings,
                     const Environment& environment) {
  Config config = defaults(environment);
  if (is_csv_file(source))
    throw Error(ErrorKind::usage,
                "{}: this is a list of images and no config; name it in a config, as data.train",
                shown(source));
  const std::filesystem::path file = config_file_of(source);
  if (is_folder(file)) {
    read_photo_folder(config, file, environment);
  } else if (!source.empty()) {
    read_text(config, read_config_text(file), shown(file), environment);
  }
  if (file != source) {
    const auto text = path_text(source);
    config.output = expand_path(text.starts_with('~') ? "./" + text : text, environment);
  }
  apply(config, settings, environment);
  return config;
}

Config load_config(const std::filesystem::path& source, std::span<const Setting> settings,
                   const Environment& environment) {
  Config config = load_settings(source, settings, environment);
  complete(config, shown(config_file_of(source)));
  return config;
}

void refuse_output_in(const std::filesystem::path& folder, const std::filesystem::path& output) {
  std::error_code failure;
  std::filesystem::path results = std::filesystem::weakly_canonical(output, failure);
  results = std::filesystem::weakly_canonical(results, failure);  // the links behind "absent/.."
  const std::filesystem::path images = std::filesystem::canonical(folder, failure);
  if (!failure && std::ranges::mismatch(images, results).in1 == images.end())
    refuse("output", shown(output),
           fmt::format("this is in the folder of images {}, where results would be taken for "
                       "images; name another folder with --output",
                       shown(folder)));
}

void refuse_output_among_images(const Config& config) {
  refuse_output_in(config.data.train, config.output);
  refuse_output_in(config.data.validation, config.output);
}

void refuse_config_as_target(const std::filesystem::path& source, const std::string& option,
                             const std::filesystem::path& file) {
  if (source.empty() || file.empty()) return;
  std::error_code absent;  // then they are not the same
  if (!std::filesystem::equivalent(config_file_of(source), file, absent)) return;
  throw Error(ErrorKind::usage, "{} {}: this is the config file; name another file", option,
              shown(file));
}

std::string effective_config(Config config) {
  Json root = Json::object();
  for (const ConfigKey& key : keys_of(config))
    root[Json::json_pointer('/' + replace_all(key.path, ".", "/"))] = value_of(key);
  try {
    return root.dump(2) + '\n';
  } catch (const Json::type_error&) {
    throw Error(ErrorKind::usage,
                "a path of this run is not valid UTF-8, which config.json cannot hold; rename the "
                "folder, or run from another one");
  }
}

}  // namespace graft
