#include "tests/faults/undo.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include "tests/faults/fault.h"

namespace graft::faults {
namespace {

// Each holds the file or folder itself open: a rename of what is above it does not matter.
struct Content {
  ino_t file;
  int descriptor;
  std::string synced;
};
struct Entry {
  ino_t folder;
  std::function<void()> undo;
};

auto& contents = *new std::vector<Content>;  // never destroyed: threads use them until the end
auto& entries = *new std::vector<Entry>;
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

struct Place {
  int folder;
  std::string name;

  explicit Place(const std::filesystem::path& path)
      : folder(open_raw(path.parent_path(), O_PATH | O_DIRECTORY)), name(path.filename()) {}
};

// Kept once the folder of `synced` is.
long move_entry(const Place& from, const Place& to, unsigned flags, const Place& synced) {
  const auto move = [flags](const Place& one, const Place& other) {
    return ::syscall(SYS_renameat2, one.folder, one.name.c_str(), other.folder, other.name.c_str(),
                     flags);
  };
  const long result = move(from, to);
  if (result == 0) entries.push_back({inode_of(synced.folder), [=] { move(to, from); }});
  return result;
}

}  // namespace

void remember_content(int descriptor) {
  if (!must_remember(path_of(descriptor))) return;
  const ino_t file = inode_of(descriptor);
  if (std::ranges::find(contents, file, &Content::file) != contents.end()) return;
  const int own = open_raw("/proc/self/fd/" + std::to_string(descriptor), O_RDWR);
  contents.push_back({file, own, content_of(own)});
}

void remember_content(const std::string& path) {
  const int descriptor = open_raw(path, O_RDWR);
  if (descriptor < 0) return;
  remember_content(descriptor);
  ::syscall(SYS_close, descriptor);
}

void remember_created(const std::string& path) {
  if (!must_remember(path)) return;
  const Place place(path);
  entries.push_back({inode_of(place.folder), [place] {
                       std::filesystem::remove_all(path_of(place.folder, place.name.c_str()));
                     }});
}

void remember_synced(int descriptor) {
  const ino_t synced = inode_of(descriptor);
  std::erase_if(contents, [synced](const Content& one) { return one.file == synced; });
  std::erase_if(entries, [synced](const Entry& one) { return one.folder == synced; });
}

long remove_entry(const std::string& path, int flags) {
  const bool remains = flags == AT_REMOVEDIR && !std::filesystem::is_empty(path);
  if (remains || !must_remember(path))
    return ::syscall(SYS_unlinkat, AT_FDCWD, path.c_str(), flags);
  static int graves = 0;
  const std::string grave = std::getenv("FAULT_UNDO") + ("/" + std::to_string(graves++));
  return move_entry(Place(path), Place(grave), 0, Place(path));
}

long rename_entry(const std::string& from, const std::string& to, unsigned flags) {
  if (!must_remember(to))
    return ::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags);
  if (flags == 0 && std::filesystem::exists(to)) remove_entry(to, 0);
  return move_entry(Place(from), Place(to), flags, Place(to));
}

void undo_unsynced() {
  is_undoing = true;
  const std::string loses = std::getenv("FAULT_LOSES");
  const bool zeros = loses == "zeros";
  for (Content& one : contents) {
    if (!zeros && !loses.starts_with("data")) break;
    if (zeros) one.synced.resize(content_of(one.descriptor).size());
    ::syscall(SYS_ftruncate, one.descriptor, one.synced.size());
    ::syscall(SYS_pwrite64, one.descriptor, one.synced.data(), one.synced.size(), 0);
  }
  for (; loses.ends_with("entries") && !entries.empty(); entries.pop_back()) entries.back().undo();
}

}  // namespace graft::faults
