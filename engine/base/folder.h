#pragma once
// Lists of folders.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace graft {

struct FolderEntry {
  std::string name;
  bool is_folder = false;  // of a link: what it leads to
  bool is_link = false;
};

struct FolderListing {
  std::pair<std::uint64_t, std::uint64_t> id;  // device and inode of the folder
  std::vector<FolderEntry> entries;            // by name, without "." and ".."
};

// Throws std::filesystem::filesystem_error. Not std::filesystem::directory_iterator: that one ends
// the program when memory runs out.
FolderListing list_folder(const std::filesystem::path& folder);
// The same; nothing where there is no such folder.
std::vector<FolderEntry> entries_of(const std::filesystem::path& folder);

}  // namespace graft
