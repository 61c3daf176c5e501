#include "engine/base/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {
namespace {

// The text of a lock file: who holds it, so that the process is not mistaken for one of another host,
// boot or container, nor for a later one of the same number. "-" or nothing is unknown.
enum Word { host, boot, name_space, process, start, words };
using Holder = std::array<std::string, words>;

// A word of a file, from 0. Those of /proc/N/stat count from behind the name in parentheses.
std::string word_of(const std::string& path, int index = 0) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::istringstream words_of_text(text.substr(text.rfind(')') + 1));
  std::string word;
  for (int i = 0; i <= index; ++i) words_of_text >> word;
  return words_of_text ? word : "-";
}

// When a process began, in ticks since the boot.
std::string start_of(const std::string& number) {
  return word_of(fmt::format("/proc/{}/stat", number), 19);
}

Holder this_process() {
  std::error_code none;
  const std::string number = std::to_string(::getpid());
  const std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", none).string();
  return {word_of("/proc/sys/kernel/hostname") + '/' + word_of("/etc/machine-id"),
          word_of("/proc/sys/kernel/random/boot_id"), space.empty() ? "-" : space, number,
          start_of(number)};
}

Holder holder_of(const std::string& text) {
  Holder holder;
  std::istringstream input(text);
  for (std::string& word : holder) input >> word;
  return holder;
}

// False where that is not certain.
bool is_gone(const Holder& holder, const Holder& here) {
  for (const Holder& one : {holder, here})
    if (std::ranges::count(one, "-") + std::ranges::count(one, "") > 0) return false;
  if (holder[boot] != here[boot])  // restarted since, unless a host of the same name has no number
    return holder[host] == here[host] && !here[host].ends_with("/-");
  if (holder[name_space] != here[name_space]) return false;
  const auto number = static_cast<pid_t>(std::strtol(holder[process].c_str(), nullptr, 10));
  if (number > 0 && ::kill(number, 0) != 0 && errno == ESRCH) return true;
  const std::string now = start_of(holder[process]);  // "-" where processes are hidden
  return now != "-" && now != holder[start];
}

// False when the file exists.
bool create_file(const std::filesystem::path& path, const Holder& holder) {
  const std::string text = fmt::format("{}\n", fmt::join(holder, " "));
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0 && errno == EEXIST) return false;
  const bool is_new = descriptor >= 0;
  const bool is_complete = is_new && ::write(descriptor, text.data(), text.size()) == ssize(text);
  const int code = errno;
  if (is_new) ::close(descriptor);
  if (is_complete) return true;
  if (is_new) ::unlink(path.c_str());  // else it may be another run's
  throw Error(ErrorKind::io, fmt::format("cannot create {}: {}", shown(path), std::strerror(code)));
}

// Removes the file with this text. Two runs may find the same dead process, so the file is moved
// aside first; another run's new one is put back.
bool remove_dead(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::path aside = path;
  aside += fmt::format(".{}", ::getpid());
  if (::rename(path.c_str(), aside.c_str()) != 0) return errno == ENOENT;
  const bool same = read_text_file(aside, 4096) == text;
  if (same || ::link(aside.c_str(), path.c_str()) == 0) ::unlink(aside.c_str());
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
  while (!create_file(path, here)) {
    const std::string text = read_text_file(path, 4096);
    const Holder holder = holder_of(text);
    if (is_gone(holder, here) && remove_dead(path, text)) continue;
    throw Error(ErrorKind::io,
                fmt::format("the folder {} is in use by another run (process {} on {}); wait for "
                            "it, choose another output, or remove {} if that process has ended",
                            shown(folder_), printable(holder[process], 20),
                            printable(holder[host], 100), shown(path)));
  }
  exclusive_ = path;
}

}  // namespace graft
