#pragma once
// Which files are read, and what is kept of them.

#include <optional>

#include "engine/dataset/kept_files.h"
#include "engine/dataset/known_files.h"
#include "engine/dataset/shard.h"

namespace graft {

// All is borrowed and optional.
struct ReadingOptions {
  KeptFiles* kept = nullptr;          // receives the good files
  const KnownFiles* known = nullptr;  // these are not read
  const Shard* shard = nullptr;       // only its files
};

}  // namespace graft
