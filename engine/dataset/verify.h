#pragma once
// One read of every file: its digest, and whether its header is an image's.

#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/observer.h"
#include "engine/dataset/scan.h"

namespace graft {

struct VerifiedFile {
  Digest content;      // of the bytes; zero for a bad file
  std::string reason;  // why the file cannot be an image; empty for a good one
};

// One result per file of the folder, class by class, in the order of the scan. A file whose name is
// not UTF-8 is bad, because files.json cannot hold its name. `threads` threads read; the caller is
// one of them and reports progress. Throws Error(interrupted) on stop.
std::vector<VerifiedFile> verify_files(const ScannedFolder& folder, const std::string& stage,
                                       std::size_t threads, Observer& observer,
                                       std::stop_token stop);

}  // namespace graft
