#pragma once
// What a power cut undoes: changes since the last sync, each file and each folder by itself.
// FAULT_LOSES names what is lost, with commas:
//   data     a file has its last synced bytes; a file that was never synced is empty
//   zeros    a file keeps its size, but what was not synced is zeros
//   entries  creating, renaming and removing is undone in folders that were not synced since
// A file's sync does not sync the folder of its name. A rename between two folders is kept once the
// second is synced.

#include <string>

namespace graft::faults {

// Before the bytes of an open file change, and before a file is truncated by its opening.
void remember_content(int descriptor);
void remember_content(const std::string& path);
// After a file or folder was created.
void remember_created(const std::string& path);
void remember_synced(int descriptor);

// unlinkat and renameat2, but what is removed or replaced is kept.
long remove_entry(const std::string& path, int flags);
long rename_entry(const std::string& from, const std::string& to, unsigned flags);

void undo_unsynced();

}  // namespace graft::faults
