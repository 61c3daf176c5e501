#pragma once
// Which files of the data sets are read.

#include <string_view>
#include <unordered_map>

#include "engine/base/digest.h"
#include "engine/base/file.h"
#include "engine/dataset/kept_files.h"
#include "engine/dataset/shard.h"

namespace graft {

// The contents of files that another process has read, by stamped_name(): a name would take more memory
// than its digest.
using KnownFiles = std::unordered_map<Digest, Digest, DigestHash>;

// `set`: "train" or "validation". `file`: as in Sample::file.
Digest stamped_name(std::string_view set, std::string_view file, const FileStamp& stamp);

// All is borrowed and optional.
struct ReadingOptions {
  KeptFiles* kept = nullptr;          // receives the good files
  const KnownFiles* known = nullptr;  // these are not read
  const Shard* shard = nullptr;       // only its files
};

}  // namespace graft
