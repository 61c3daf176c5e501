#pragma once
// One read of every file: its digest, and whether its header is that of an image that can be decoded
// within data.decode_memory_mib.

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/base/observer.h"
#include "engine/config/config.h"
#include "engine/dataset/reading.h"
#include "engine/dataset/scan.h"

namespace graft {

struct VerifiedFile {
  Digest content;      // of the bytes; zero for a bad file
  std::string reason;  // why the file cannot be an image; empty for a good one
  // Of a shard's good file, before it was read. Nothing when the file is so new that it may change
  // and keep its time.
  std::optional<FileStamp> stamp = {};
};

// One result per file of the folder, class by class, in the order of the scan. `threads` threads
// read; the caller is one of them and reports progress. `set` is "train" or "validation".
// What says nothing about the content ends the check, whatever data.on_bad_image says: Error(io) for
// a file that cannot be read, Error(data) for a name that is not UTF-8, Error(device) where memory
// runs out. Throws Error(interrupted) on stop.
std::vector<VerifiedFile> verify_files(const ScannedFolder& folder, const DataConfig& data,
                                       const std::string& set, const std::string& stage,
                                       std::size_t threads, Observer& observer,
                                       std::stop_token stop, const ReadingOptions& options = {});

}  // namespace graft
