#pragma once
// What each command of the program does, after its arguments have been read. Results go to standard
// output, everything else to standard error. Errors are thrown; main() makes exit codes of them.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/graft/config_file.h"

namespace graft::program {

enum class PredictionFormat { csv, json };

// What the arguments ask for.
struct Request {
  std::string config;             // CONFIG or RUN_DIR
  std::vector<Setting> settings;  // --set, --device, --threads, --output, as they come
  bool quiet = false;
  bool best = false;
  bool json = false;
  bool markdown = false;
  PredictionFormat format = PredictionFormat::csv;
  std::vector<std::string> inputs;  // images and folders, or the one weights file
  std::string output_file;
  // Of `run` and `extract`.
  std::string trace;                   // the file to write; empty: none
  std::optional<std::string> profile;  // "epoch:2"
  bool nvtx = false;
  std::string key;
  std::string gpu, architecture;      // of `plan`: "RTX 4090", "sm_89"
  std::optional<std::string> memory;  // of `plan`: "24GiB"
};

// Each returns the exit code when nothing was thrown.
int run_command(const Request& request);
int extract_command(const Request& request);
int train_command(const Request& request);
int evaluate_command(const Request& request);
int predict_command(const Request& request);
int plan_command(const Request& request);
int import_weights_command(const Request& request);
int show_weights_command(const Request& request);
int check_config_command(const Request& request);
int explain_config_command(const Request& request);

// "graft 0.1.0", the compiler, whether the CUDA parts are built, the vector unit in use.
std::string version_text();

}  // namespace graft::program
