#pragma once
// A finished set on disk, checked: its three files fit each other.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/features/files_json.h"
#include "engine/features/npy.h"
#include "engine/features/paths.h"

namespace graft {

struct StoredSet {
  FileList list;
  NpyFile npy;

  std::size_t row_bytes() const { return list.shape.count() * sizeof(float); }
  std::span<const std::byte> row(std::size_t index) const;
};

// Whether any of the set's files is there.
bool stored_set_exists(const SetPaths& paths);

// Throws Error(data) or Error(io) that says what is missing or does not fit: sizes, labels, and the
// bytes of 64 rows spread over the file against what files.json says of them.
StoredSet open_stored_set(const SetPaths& paths);

}  // namespace graft
