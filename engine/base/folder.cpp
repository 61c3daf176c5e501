#include "engine/base/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>

namespace graft {
namespace {

struct Close {
  void operator()(DIR* stream) const { closedir(stream); }
};

[[noreturn]] void fail(const std::filesystem::path& folder) {
  if (errno == ENOMEM) throw std::bad_alloc();
  throw std::filesystem::filesystem_error("the folder cannot be read", folder,
                                          {errno, std::generic_category()});
}

}  // namespace

FolderListing list_folder(const std::filesystem::path& folder) {
  const std::unique_ptr<DIR, Close> stream(opendir(folder.c_str()));
  struct stat status {};
  if (!stream || fstat(dirfd(stream.get()), &status) != 0) fail(folder);
  FolderListing listing{{status.st_dev, status.st_ino}, {}};
  errno = 0;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    // 0 of a link to nothing, and of what was removed meanwhile.
    const auto mode = [&](int flags) -> mode_t {
      if (fstatat(dirfd(stream.get()), entry->d_name, &status, flags) == 0) return status.st_mode;
      const bool leads_nowhere = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
      if (!leads_nowhere && !(errno == EACCES && flags == 0)) fail(folder / name);
      return 0;
    };
    // Most file systems say it with the name: a call for each of millions of files takes minutes.
    const mode_t own =
        entry->d_type == DT_UNKNOWN ? mode(AT_SYMLINK_NOFOLLOW) : DTTOIF(entry->d_type);
    const bool is_link = S_ISLNK(own);
    listing.entries.push_back({std::string(name), S_ISDIR(is_link ? mode(0) : own), is_link});
    errno = 0;
  }
  if (errno != 0) fail(folder);
  std::ranges::sort(listing.entries, {}, &FolderEntry::name);
  return listing;
}

std::vector<FolderEntry> entries_of(const std::filesystem::path& folder) {
  try {
    return list_folder(folder).entries;
  } catch (const std::filesystem::filesystem_error& error) {
    if (error.code() == std::errc::no_such_file_or_directory ||
        error.code() == std::errc::not_a_directory)
      return {};
    throw;
  }
}

}  // namespace graft
