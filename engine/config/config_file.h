#pragma once
// Config files: from JSON and --set options to a checked Config, and back to JSON with every key.
// Every refusal is an Error(usage) of one sentence: where, which key, what was expected, what was
// found.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/config/config.h"
#include "engine/config/paths.h"

namespace graft {

// The share of data.train that is validation when the config names no validation images.
inline constexpr double default_validation_split = 0.2;
// Whether data.train or data.validation lists images (a file .csv or .CSV); else it is a folder of
// them.
bool is_csv_file(const std::filesystem::path& path);

// Whether a folder or file below a folder of images is ignored without a word: hidden (a leading dot),
// or made by a system, such as "@eaDir", "__MACOSX" and "Thumbs.db".
bool is_ignored_name(std::string_view name);

// One key given on the command line. Later ones win.
struct Setting {
  std::string option;  // for messages: "--set train.epochs=5", "--device"
  std::string path;    // "train.epochs"
  std::string value;   // read as JSON when it is, else as a string
};

// "train.epochs=5". Throws Error(usage) when there is no '='.
Setting parse_setting(const std::string& argument);

// 16, 16.0 and 1.6e1 are the same integer.
Config parse_config(std::string_view text, const std::string& name,
                    std::span<const Setting> settings, const Environment& environment);

// `source` is a config file, or a folder. A folder with a config.json, in it or in one of its sets
// (result_folder.h), is the output of an earlier run: that config then, with the folder as `output`
// wherever it has been moved to. Any other holds photos: data.train and data.validation are its
// sub-folders train and validation where it has just these (ignored names aside), else data.train is
// the folder; `output` is runs/NAME, by its name.
Config load_config(const std::filesystem::path& source, std::span<const Setting> settings,
                   const Environment& environment);

// The same for a command that needs no required keys. The path may be empty: no config.
Config load_settings(const std::filesystem::path& source, std::span<const Setting> settings,
                     const Environment& environment);

// Throws Error(usage) where config.output is in data.train or data.validation, or is that folder: the
// results would be taken for images. Links are resolved. For every command that writes results.
void refuse_output_among_images(const Config& config);
// The same of one folder of images.
void refuse_output_in(const std::filesystem::path& folder, const std::filesystem::path& output);

// Throws Error(usage) when `file`, which `option` is to write, is the config itself. Either may be
// empty.
void refuse_config_as_target(const std::filesystem::path& source, const std::string& option,
                             const std::filesystem::path& file);

// JSON with every key and absolute paths: parse_config() of it gives the same Config from anywhere.
std::string effective_config(Config config);

}  // namespace graft
