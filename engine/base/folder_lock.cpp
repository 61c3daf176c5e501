#include "engine/base/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {
namespace {

constexpr const char* unknown = "-";

// The first word of the file, or of what follows `after` and `skipped` words in it.
std::string word_of(const std::filesystem::path& path, const std::string& after = "",
                    int skipped = 0) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t start = after.empty() ? 0 : text.rfind(after);
  if (start == std::string::npos) return unknown;
  std::istringstream words(text.substr(start + after.size()));
  std::string word;
  for (int i = 0; i <= skipped; ++i) words >> word;
  return words ? word : unknown;
}

// The time since boot at which a process began: field 22 of its stat, 20th after the name.
std::string start_of(const std::string& process) {
  return word_of(std::filesystem::path("/proc") / process / "stat", ")", 19);
}

// A process, so that it is not mistaken for one of another host, boot or container, nor for a later
// one of the same number. The text of a lock file has the members in this order.
struct Holder {
  std::string host = unknown, machine = unknown, boot = unknown;
  std::string process = unknown, start = unknown, name_space = unknown;

  std::string text() const {
    return fmt::format("host {} {} boot {} process {} {} {}\n", host, machine, boot, process, start,
                       name_space);
  }
};

Holder this_process() {
  std::error_code ignored;
  const std::string process = std::to_string(::getpid());
  const std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
  return {word_of("/proc/sys/kernel/hostname"),
          word_of("/etc/machine-id"),
          word_of("/proc/sys/kernel/random/boot_id"),
          process,
          start_of(process),
          space.empty() ? unknown : space};
}

Holder holder_of(const std::string& text) {
  Holder holder;
  std::string label;
  std::istringstream words(text);
  words >> label >> holder.host >> holder.machine >> label >> holder.boot >> label >>
      holder.process >> holder.start >> holder.name_space;
  return words ? holder : Holder{};
}

// False where that is not certain.
bool is_gone(const Holder& holder, const Holder& here) {
  for (const std::string* word : {&holder.host, &holder.boot, &here.boot, &holder.name_space})
    if (*word == unknown) return false;
  if (holder.boot != here.boot)  // the host has been restarted, or it is another one
    return holder.host == here.host && holder.machine == here.machine;
  if (holder.name_space != here.name_space) return false;
  const int process = std::atoi(holder.process.c_str());
  if (process <= 0) return false;
  if (::kill(process, 0) != 0 && errno == ESRCH) return true;
  const std::string start = start_of(holder.process);
  return start != unknown && holder.start != unknown && start != holder.start;
}

// False when the file exists.
bool create_file(const std::filesystem::path& path, const std::string& text) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0 && errno == EEXIST) return false;
  const bool written = descriptor >= 0 && ::write(descriptor, text.data(), text.size()) ==
                                              static_cast<ssize_t>(text.size());
  const int code = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (written) return true;
  if (descriptor >= 0) ::unlink(path.c_str());
  throw Error(ErrorKind::io,
              fmt::format("cannot create the lock file {}: {}", shown(path), std::strerror(code)));
}

// Removes the lock file with this text. False when it has another: two runs may find the same dead
// process, so the file is moved aside first, and another run's new one is put back.
bool remove_dead(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::path aside = path;
  aside += fmt::format(".{}", ::getpid());
  if (::rename(path.c_str(), aside.c_str()) != 0) return errno == ENOENT;
  const bool same = read_text_file(aside, 4096) == text;
  if (!same && ::link(aside.c_str(), path.c_str()) != 0 && errno != EEXIST)
    return ::rename(aside.c_str(), path.c_str()) == 0 && same;
  ::unlink(aside.c_str());
  return same;
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder,
                       const std::function<void(const std::string&)>& warn)
    : folder_(folder), warn_(warn), file_(folder / ".lock", File::Mode::create_or_read_write) {
  lock();
  file_.truncate(0);
  file_.write_at(0, as_bytes(std::to_string(::getpid())));
  if (::fdatasync(file_.descriptor()) != 0 && is_missing_call(errno) && warn_) {
    warn_(
        fmt::format("the file system of {} cannot sync ({}): a power cut may damage what this run "
                    "writes",
                    shown(folder_), std::strerror(errno)));
  }
}

FolderLock::~FolderLock() {
  if (!exclusive_.empty()) ::unlink(exclusive_.c_str());
}

void FolderLock::lock() {
  if (::flock(file_.descriptor(), LOCK_EX | LOCK_NB) == 0) return;
  const int code = errno;
  if (is_missing_call(code) || code == ENOLCK) {
    create_exclusive_file();
    if (!warn_) return;
    warn_(fmt::format("the file system of {} has no locks ({}); the file {} takes their place",
                      shown(folder_), std::strerror(code), shown(exclusive_)));
    return;
  }
  if (code != EWOULDBLOCK) {
    throw Error(ErrorKind::io,
                fmt::format("cannot lock {}: {}", shown(file_.path()), std::strerror(code)));
  }
  std::string holder(static_cast<std::size_t>(std::min<std::uint64_t>(file_.size(), 20)), '\0');
  file_.read_at(0, {reinterpret_cast<std::byte*>(holder.data()), holder.size()});
  throw Error(ErrorKind::io,
              fmt::format("the folder {} is in use by another run (process {}); wait for it, or "
                          "choose another output",
                          shown(folder_), holder.empty() ? "unknown" : printable(holder)));
}

void FolderLock::create_exclusive_file() {
  const std::filesystem::path path = folder_ / ".lock.exclusive";
  const Holder here = this_process();
  Holder holder;
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (create_file(path, here.text())) {
      exclusive_ = path;
      return;
    }
    const std::string text = read_text_file(path, 4096);
    holder = holder_of(text);
    if (!is_gone(holder, here) || !remove_dead(path, text)) break;
  }
  throw Error(ErrorKind::io,
              fmt::format("the folder {} is in use by another run (process {} on {}); wait for it, "
                          "choose another output, or remove {} if that process has ended",
                          shown(folder_), printable(holder.process, 20),
                          printable(holder.host, 100), shown(path)));
}

}  // namespace graft
