#pragma once
// An advisory lock on a folder, for one run at a time.

#include <filesystem>
#include <functional>
#include <string>

#include "engine/base/file.h"

namespace graft {

// Holds flock on FOLDER/.lock, which the kernel frees with the process. On a file system without
// flock it creates FOLDER/.lock.exclusive instead, which names this process. That file is removed in
// the destructor, or by the next run if the process is known to be gone on this host. `warn` receives
// a sentence for each call that the file system lacks. Throws Error(io) that names the folder and the
// other process when there is another holder.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder,
                      const std::function<void(const std::string&)>& warn = {});
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  void lock();
  void create_exclusive_file();

  const std::filesystem::path folder_;
  const std::function<void(const std::string&)> warn_;
  File file_;
  std::filesystem::path exclusive_;  // empty: flock holds
};

}  // namespace graft
