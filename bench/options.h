#pragma once
// The command line of graft-bench.

#include <string>
#include <vector>

#include "bench/harness/case.h"
#include "bench/harness/measurement.h"
#include "engine/config/config_file.h"

namespace graft::bench {

struct Options {
  std::string suite;               // "kernels", or "all"
  std::string config;              // a config file or a run's folder; empty: none
  std::vector<Setting> overrides;  // --device, --threads, --set
  Axes axes;
  std::string filter;  // a regular expression to find in a case's name; empty: all cases
  Method method;
  std::string isa = "best";  // as isa_of() takes it
  bool list = false;         // print the names of the cases only
  bool quiet = false;
  std::string json_file;  // empty: none
  std::string help;       // not empty: print this, and nothing else
};

// Throws Error(usage) with one sentence.
Options parse_options(int argument_count, char** arguments);

}  // namespace graft::bench
