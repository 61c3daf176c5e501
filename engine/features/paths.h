#pragma once
// The names of a feature set's files.

#include <filesystem>
#include <string>

#include "engine/base/file.h"

namespace graft {

struct SetPaths {
  // What a finished extraction leaves.
  std::filesystem::path npy, labels, files;
  // An extraction that is under way: rows at their final place, and the journal of what is in them.
  std::filesystem::path partial, journal;
  // Rows of interrupted extractions that had another plan, for the present one to take.
  std::filesystem::path salvage, salvage_journal;
  // Companions that are whole and wait for the commit.
  std::filesystem::path next_labels, next_files;

  SetPaths(const std::filesystem::path& folder, const std::string& name)
      : npy(folder / (name + ".npy")),
        labels(folder / (name + ".labels.npy")),
        files(folder / (name + ".files.json")),
        partial(partial_path(npy)),
        journal(folder / (name + ".journal")),
        salvage(folder / (name + ".salvage")),
        salvage_journal(folder / (name + ".salvage.journal")),
        next_labels(folder / (name + ".labels.next")),
        next_files(folder / (name + ".files.next")) {}
};

}  // namespace graft
