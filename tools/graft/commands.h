#pragma once
// The commands of the program. Results go to standard output, everything else to standard error.
// Errors are thrown; main() turns them into exit codes.

#include <optional>
#include <string>
#include <vector>

#include "engine/config/config_file.h"

namespace graft::program {

// The command line, parsed.
struct Request {
  std::string config;             // CONFIG: a file, the output of a run, or a folder of photos
  std::vector<Setting> settings;  // --set, --device, --threads, --output, in their order
  bool quiet = false;
  bool best = false;
  bool half = false, head_only = false;  // `export`
  bool json = false;
  bool markdown = false;
  std::optional<double> threshold;  // `predict`
  std::size_t top = 0;              // `predict`: 0: all classes
  bool null_separated = false;      // `predict`: paths on standard input
  std::vector<std::string> inputs;  // images and folders, or the one weights file
  std::string output_file;          // `evaluate`: for the JSON; empty: none. `export`: the model
  std::string key;
  std::string trace;                   // `run`, `extract`: the file to write; empty: none
  std::optional<std::string> profile;  // `run`, `extract`: "epoch:2"
  bool nvtx = false;                   // `run`, `extract`
  std::string gpu, architecture;       // `plan`: "RTX 4090", "sm_89"
  std::optional<std::string> memory;   // `plan`: "24GiB"
  std::optional<std::string> shard;    // `extract`: "3/16" or "auto"
  bool verify = false;                 // `run`, `extract`, `crossvalidate`
  std::size_t folds = 5, seeds = 1;    // `crossvalidate`
};

void run_command(const Request& request);
void extract_command(const Request& request);
void train_command(const Request& request);
void crossvalidate_command(const Request& request);
void evaluate_command(const Request& request);
void predict_command(const Request& request);
void export_command(const Request& request);
void plan_command(const Request& request);
void import_weights_command(const Request& request);
void show_weights_command(const Request& request);
void check_config_command(const Request& request);
void explain_config_command(const Request& request);

// "graft 0.1.0", the commit, the compiler, whether the CUDA parts are built, the vector unit.
std::string version_text();

// Parses the arguments and runs their command. Throws Error(usage) for wrong arguments, and what
// the command throws.
void run_program(int argument_count, char** arguments);

}  // namespace graft::program
