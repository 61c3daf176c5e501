#include "tests/faults/undo.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include "tests/faults/fault.h"

namespace graft::faults {
namespace {

// Each opens the file or folder itself, so that a rename above it does not matter.
struct Content {
  ino_t file;
  int descriptor;
  std::string synced;
};
struct Entry {
  ino_t folder;
  int descriptor;
  std::function<void()> undo;
};

std::vector<Content>& contents() {
  static auto* const all = new std::vector<Content>;
  return *all;
}
std::vector<Entry>& entries() {
  static auto* const all = new std::vector<Entry>;
  return *all;
}

bool is_undoing = false;

bool must_remember(const std::string& path) {
  return cut_is_planned() && !is_undoing && is_below_root(path);
}

int open_raw(const std::string& path, int flags) {
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, 0));
}

ino_t inode_of(int descriptor) {
  struct stat status {};
  ::syscall(SYS_newfstatat, descriptor, "", &status, AT_EMPTY_PATH);
  return status.st_ino;
}

std::string content_of(int descriptor) {
  std::string bytes(static_cast<std::size_t>(::lseek(descriptor, 0, SEEK_END)), '\0');
  ::syscall(SYS_pread64, descriptor, bytes.data(), bytes.size(), 0);
  return bytes;
}

std::string name_of(const std::string& path) {
  return std::filesystem::path(path).filename();
}

int folder_of(const std::string& path) {
  return open_raw(std::filesystem::path(path).parent_path(), O_PATH | O_DIRECTORY);
}

std::string new_grave() {
  static int number = 0;
  return std::string(std::getenv("FAULT_UNDO")) + "/" + std::to_string(number++);
}

void rename_at(int from_folder, const std::string& from, int to_folder, const std::string& to,
               unsigned flags = 0) {
  ::syscall(SYS_renameat2, from_folder, from.c_str(), to_folder, to.c_str(), flags);
}

void remember(int folder, std::function<void()> undo) {
  entries().push_back({inode_of(folder), folder, std::move(undo)});
}

}  // namespace

void remember_content(int descriptor) {
  if (!must_remember(path_of(descriptor))) return;
  const ino_t file = inode_of(descriptor);
  if (std::ranges::find(contents(), file, &Content::file) != contents().end()) return;
  const int own = open_raw("/proc/self/fd/" + std::to_string(descriptor), O_RDWR);
  contents().push_back({file, own, content_of(own)});
}

void remember_content(const std::string& path) {
  const int descriptor = open_raw(path, O_RDWR);
  if (descriptor < 0) return;
  remember_content(descriptor);
  ::syscall(SYS_close, descriptor);
}

void remember_created(const std::string& path) {
  if (!must_remember(path)) return;
  const int folder = folder_of(path);
  remember(folder, [folder, name = name_of(path)] {
    std::filesystem::remove_all(path_of(folder) + "/" + name);
  });
}

void remember_synced(int descriptor) {
  const ino_t synced = inode_of(descriptor);
  std::erase_if(contents(), [synced](const Content& one) {
    return one.file == synced && ::syscall(SYS_close, one.descriptor) == 0;
  });
  std::erase_if(entries(), [synced](const Entry& one) { return one.folder == synced; });
}

int remove_entry(const std::string& path, bool is_folder) {
  struct stat status {};
  const bool exists =
      ::syscall(SYS_newfstatat, AT_FDCWD, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  const bool fits = exists && S_ISDIR(status.st_mode) == is_folder;
  if (!must_remember(path) || !fits || (is_folder && !std::filesystem::is_empty(path))) {
    const int flags = is_folder ? AT_REMOVEDIR : 0;
    return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path.c_str(), flags));
  }
  const int folder = folder_of(path);
  const std::string grave = new_grave();
  rename_at(AT_FDCWD, path, AT_FDCWD, grave);
  remember(folder, [=, name = name_of(path)] { rename_at(AT_FDCWD, grave, folder, name); });
  return 0;
}

int rename_entry(const std::string& from, const std::string& to, unsigned flags) {
  std::string grave;
  if (must_remember(to) && flags == 0) {
    grave = new_grave();
    ::syscall(SYS_linkat, AT_FDCWD, to.c_str(), AT_FDCWD, grave.c_str(), 0);
  }
  const long result = ::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags);
  if (result != 0 || !must_remember(to)) return static_cast<int>(result);
  const int from_folder = folder_of(from);
  const int to_folder = folder_of(to);
  remember(to_folder, [=, from_name = name_of(from), to_name = name_of(to)] {
    rename_at(to_folder, to_name, from_folder, from_name, flags);
    if (!grave.empty()) rename_at(AT_FDCWD, grave, to_folder, to_name);
  });
  return 0;
}

void undo_unsynced() {
  is_undoing = true;
  const std::string loses = std::getenv("FAULT_LOSES");
  const bool zeros = loses.find("zeros") != std::string::npos;
  if (zeros || loses.find("data") != std::string::npos) {
    for (Content& one : contents()) {
      if (zeros) one.synced.resize(content_of(one.descriptor).size());
      ::syscall(SYS_ftruncate, one.descriptor, one.synced.size());
      ::syscall(SYS_pwrite64, one.descriptor, one.synced.data(), one.synced.size(), 0);
    }
  }
  if (loses.find("entries") == std::string::npos) return;
  while (!entries().empty()) {
    entries().back().undo();
    entries().pop_back();
  }
}

}  // namespace graft::faults
