#pragma once
// The sets of files in the output folder of a run.
//   OUTPUT/result/    the finished set: config, classifier, history, evaluation, page
//   OUTPUT/next/      the set that a run is making, or that an interrupted run left
//   OUTPUT/previous/  the old set, between two renames on a file system that cannot exchange folders
// Only next/ is written. publish_set() makes it result/ in one step. So a reader finds one complete
// set at any moment, and needs no lock. All functions throw Error(io).

#include <filesystem>
#include <functional>

namespace graft {

inline constexpr const char* checkpoint_file = "checkpoint.safetensors";
inline constexpr const char* head_file = "head.safetensors";  // after the last epoch
inline constexpr const char* best_file = "head_best.safetensors";
inline constexpr const char* page_file = "report.html";  // written last: the set is complete

std::filesystem::path next_set(const std::filesystem::path& output);
// result/, or previous/ where there is only that.
std::filesystem::path finished_set(const std::filesystem::path& output);

// Calls `read` with finished_set(output), and again when another set took its place meanwhile.
void read_set(const std::filesystem::path& output,
              const std::function<void(const std::filesystem::path& set)>& read);

// The others need the folder's lock.

// Ends a publish_set() that was killed, and removes the partial files of killed runs.
void recover_sets(const std::filesystem::path& output);

// next/ becomes result/. Then the old set is removed.
void publish_set(const std::filesystem::path& output);

// Removes the folder, its checkpoint first: what a kill leaves of it is never continued.
void remove_set(const std::filesystem::path& set);

}  // namespace graft
