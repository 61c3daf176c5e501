#pragma once
// How a finished extraction takes the place of the earlier set, at once. The new files stand beside
// the old ones, whole and synced; the commit line in the journal decides; what follows is renaming,
// which any later run can finish. Before that line the old set is good, after it the new one is.

#include <cstdint>
#include <vector>

#include "engine/features/files_json.h"
#include "engine/features/paths.h"

namespace graft {

// Writes NAME.labels.npy and NAME.files.json beside their places.
void stage_companions(const SetPaths& paths, const FileList& list);

// After the commit line: renames what is staged, then removes the work files.
void publish(const SetPaths& paths);

// Replaces the companions of a NAME.npy that stays as it is. Removes the work files.
void commit_companions(const SetPaths& paths, const FileList& list);

// Ends the commit of a run that was killed in it.
void finish_interrupted_commit(const SetPaths& paths);

// Removes what is left of extractions that are not needed any more.
void remove_work_files(const SetPaths& paths);

}  // namespace graft
