#pragma once
// Config files: from JSON and --set options to a checked Config, and back to JSON with every key.
// Every refusal is an Error(usage) of one sentence: where, which key, what was expected, what was
// found.

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/config.h"
#include "engine/config/paths.h"

namespace graft {

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

// `file_or_run` is a config file, or the output folder of an earlier run: its config.json then,
// with that folder as `output` wherever it has been moved to.
Config load_config(const std::filesystem::path& file_or_run, std::span<const Setting> settings,
                   const Environment& environment);

// The same for a command that needs no required keys. The path may be empty: no config.
Config load_settings(const std::filesystem::path& file_or_run, std::span<const Setting> settings,
                     const Environment& environment);

// Throws Error(usage) when `file`, which `option` is to write, is the config itself. Either may be
// empty.
void refuse_config_as_target(const std::filesystem::path& file_or_run, const std::string& option,
                             const std::filesystem::path& file);

// JSON with every key and absolute paths: parse_config() of it gives the same Config from anywhere.
std::string effective_config(Config config);

}  // namespace graft
