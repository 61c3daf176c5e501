#pragma once
// An advisory lock on a folder, for one run at a time, also of hosts that share the folder.

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

namespace graft {

// Creates FOLDER/.lock.exclusive, which names this process. A thread changes a counter in it every
// `beat`, and removes it at the end. The file of a process that has ended on this host is replaced at
// once. Any other is read for ten beats: if its counter stands still, it is replaced. No flock, and no
// other host's clock. Throws Error(io) that names the folder and the process when there is a holder.
// `warn` receives a sentence before it waits, for a silent holder, and where nothing can be synced.
// A process that was suspended for longer may lose its file. It leaves the new one and goes on, which
// does no harm: rows are deterministic and have digests.
class FolderLock {
 public:
  static constexpr const char* file_name = ".lock.exclusive";
  using Warn = std::function<void(const std::string&)>;
  explicit FolderLock(
      const std::filesystem::path& folder, const Warn& warn = [](const std::string&) {},
      std::chrono::milliseconds beat = std::chrono::seconds(2),
      const std::string& name = file_name);
  ~FolderLock() { stop_.request_stop(); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  bool create(const Warn& warn);
  void keep();

  const std::filesystem::path path_;
  const std::string own_;  // the text up to the counter
  const std::chrono::milliseconds beat_;
  std::stop_source stop_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace graft
