#include "engine/base/result_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <exception>
#include <system_error>
#include <tuple>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/folder.h"
#include "engine/base/text.h"

namespace graft {
namespace {

namespace fs = std::filesystem;

bool is_present(const fs::path& path) {
  std::error_code unknown;  // then using it will meet the cause and name it
  return fs::exists(path, unknown);
}

// Differs between two folders, and before and after a rename. All 0 without a folder.
auto identity(const fs::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) status = {};
  return std::tuple(status.st_dev, status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

// What is behind a link is not this program's to replace.
void refuse_link(const fs::path& set) {
  std::error_code unknown;
  if (!fs::is_symlink(set, unknown)) return;
  throw Error(ErrorKind::io,
              "{} is a link, and a set of results is replaced as a folder; remove the link, or "
              "make `output` a link instead",
              shown(set));
}

}  // namespace

fs::path next_set(const fs::path& output) {
  return output / "next";
}

fs::path finished_set(const fs::path& output) {
  fs::path result = output / "result", previous = output / "previous";
  return !is_present(result) && is_present(previous) ? previous : result;
}

void read_set(const fs::path& output, const std::function<void(const fs::path& set)>& read) {
  while (true) {
    const fs::path set = finished_set(output);
    const auto before = identity(set);
    std::exception_ptr failure;
    try {
      read(set);
    } catch (const Error&) {  // also of files that were replaced between two reads
      failure = std::current_exception();
    }
    if (finished_set(output) != set || identity(set) != before) continue;
    if (failure) std::rethrow_exception(failure);
    return;
  }
}

void recover_sets(const fs::path& output) {
  const fs::path result = output / "result", previous = output / "previous";
  for (const fs::path& set : {result, previous, next_set(output)}) refuse_link(set);
  if (is_present(previous)) {
    is_present(result) ? remove_set(previous) : rename_durably(previous, result);
  }
  for (const FolderEntry& entry : entries_of(next_set(output)))
    if (fs::path(entry.name).extension() == ".partial" && !entry.is_folder)
      remove_file(next_set(output) / entry.name);
}

void publish_set(const fs::path& output) {
  const fs::path next = next_set(output), result = output / "result",
                 previous = output / "previous";
  sync_folder(next);
  if (!is_present(result)) return rename_durably(next, result);
  if (::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, result.c_str(), RENAME_EXCHANGE) == 0) {
    sync_folder(output);
    return remove_set(next);
  }
  // Not every file system and kernel can do it. Another failure will be met again.
  rename_durably(result, previous);
  rename_durably(next, result);
  remove_set(previous);
}

void remove_set(const fs::path& set) {
  if (!is_present(set)) return;
  remove_file(set / checkpoint_file);
  std::error_code error;
  fs::remove_all(set, error);
  if (!error) return;
  throw Error(ErrorKind::io, "cannot remove {}: {}", shown(set), error.message());
}

}  // namespace graft
