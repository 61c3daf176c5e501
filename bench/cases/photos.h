#pragma once
// Photos for benchmarks: those of the config, or generated JPEG files.

#include <filesystem>
#include <string>
#include <vector>

#include "bench/cases/backend_suites.h"

namespace graft::bench {

struct Photos {
  std::filesystem::path folder;
  std::vector<std::string> files;  // relative to it
};
// The images in data.train of the config and below, or 32 generated photos, made at the first call.
// Throws Error(data) when there is none.
Photos photos_of(const BenchSetup& setup);

}  // namespace graft::bench
