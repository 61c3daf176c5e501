#include "engine/base/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>

#include "engine/base/background.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/text.h"

namespace graft {
namespace {

constexpr int most_beats = 10;  // without a change, until a holder counts as dead

// The text of a lock file: who holds it, so that the process is not mistaken for one of another host,
// boot or container, nor for a later one of the same number. "-" is unknown. Then come the time, so
// that no two locks have the same text, and the counter.
enum Word { host, boot, name_space, process, start, words };
using Holder = std::array<std::string, words>;

// A word of a file, from 0. Those of /proc/N/stat count from behind the name in parentheses.
std::string word_of(const std::string& path, int index = 0) {
  std::ifstream file(path);
  std::string text;
  std::getline(file, text, '\0');  // without an exception where the process ends meanwhile
  std::istringstream words_of_text(text.substr(text.rfind(')') + 1));
  std::string word;
  for (int i = 0; i <= index; ++i) words_of_text >> word;
  return words_of_text ? word : "-";
}

// When a process began, in ticks since the boot.
std::string start_of(const std::string& number) {
  return word_of(fmt::format("/proc/{}/stat", number), 19);
}

// All of the text but the counter.
std::string text_of_this_process() {
  std::error_code none;
  const std::string number = std::to_string(::getpid());
  const std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", none).string();
  return fmt::format("{}/{} {} {} {} {} {} ", word_of("/proc/sys/kernel/hostname"),
                     word_of("/etc/machine-id"), word_of("/proc/sys/kernel/random/boot_id"),
                     space.empty() ? "-" : space, number, start_of(number),
                     std::chrono::steady_clock::now().time_since_epoch().count());
}

Holder holder_of(const std::string& text) {
  Holder holder;
  std::istringstream input(text);
  for (std::string& word : holder)
    if (!(input >> word)) word = "unknown";
  return holder;
}

// Whether the process has ended. Nothing where that is not certain.
std::optional<bool> is_gone(const Holder& holder, const Holder& here) {
  for (const Holder& one : {holder, here})
    if (std::ranges::count(one, "-") + std::ranges::count(one, "unknown") > 0) return std::nullopt;
  if (holder[boot] != here[boot] && holder[host] == here[host] && !here[host].ends_with("/-"))
    return true;  // restarted since
  if (holder[boot] != here[boot] || holder[name_space] != here[name_space]) return std::nullopt;
  const auto number = static_cast<pid_t>(std::strtol(holder[process].c_str(), nullptr, 10));
  const std::string now = start_of(holder[process]);
  if (number > 0 && ::kill(number, 0) != 0 && errno == ESRCH) return true;
  if (now == "-") return std::nullopt;  // processes are hidden
  // A zombie, which no parent has waited for, is gone, too.
  return now != holder[start] || word_of(fmt::format("/proc/{}/stat", number)) == "Z";
}

// Nothing where there is no file. Throws for a link.
std::optional<std::string> text_of(const std::filesystem::path& path) {
  try {
    const File file(path, File::Mode::read_write);
    std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 4096)), '\0');
    file.read_at(0, {reinterpret_cast<std::byte*>(text.data()), text.size()});
    return text;
  } catch (const Error&) {
    if (std::filesystem::exists(std::filesystem::symlink_status(path))) throw;
    return std::nullopt;
  }
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder, const Warn& warn,
                       std::chrono::milliseconds beat, const std::string& name)
    : path_(folder / name), own_(text_of_this_process()), beat_(beat) {
  std::string first;
  for (int beats = 0; !create(warn);) {
    const std::optional<std::string> text = text_of(path_);
    if (!text) continue;
    const Holder holder = holder_of(*text);
    const std::string host_name = holder[host].substr(0, holder[host].find('/'));
    const std::string who = printable("process " + holder[process] + " on " + host_name, 100);
    const std::optional<bool> gone = is_gone(holder, holder_of(own_));
    if (gone == false || (!gone && beats > 0 && text != first))
      throw Error(
          ErrorKind::io,
          "the folder {} is in use by another run ({}); wait for it, or choose another output",
          shown(folder), who);
    const double seconds = std::chrono::duration<double>(most_beats * beat).count();
    if (!gone && beats == 0)
      warn(fmt::format("waiting up to {} s for {}, which may use {}", seconds, who, shown(folder)));
    if (!gone && beats++ < most_beats) {
      first = *text;
      std::this_thread::sleep_for(beat);
      continue;
    }
    if (!gone)
      warn(fmt::format("{} did not answer for {} s; taking over {}", who, seconds, shown(folder)));
    // Others may have found the same dead holder. One at a time removes its file, and no later one.
    const FolderLock removal(folder, warn, beat, name + ".removal");
    if (text_of(path_) == text) remove_file(path_);
  }
}

// False when the file exists.
bool FolderLock::create(const Warn& warn) {
  const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0 && errno == EEXIST) return false;
  if (descriptor < 0)
    throw Error(ErrorKind::io, "cannot create {}: {}; check its permissions", shown(path_),
                std::strerror(errno));
  ::close(descriptor);
  try {
    File file(path_, File::Mode::read_write);
    file.write_at(0, as_bytes(fmt::format("{}{:020}\n", own_, 0)));
    if (::fdatasync(file.descriptor()) != 0 && is_missing_call(errno))
      warn(fmt::format("the file system of {} cannot sync ({}): a power cut may damage new files",
                       shown(path_.parent_path()), std::strerror(errno)));
    file.close();
    thread_ = start_thread([this] { keep(); });
  } catch (...) {
    ::unlink(path_.c_str());
    throw;
  }
  return true;
}

void FolderLock::keep() {
  std::mutex unshared;
  std::unique_lock lock(unshared);
  const std::stop_token stop = stop_.get_token();
  bool is_over = false;
  for (std::uint64_t count = 1; !is_over; ++count) {
    is_over = stopped_.wait_for(lock, stop, beat_, [&] { return stop.stop_requested(); });
    try {
      File file(path_, File::Mode::read_write);  // before the look: it may be replaced in between
      if (!text_of(path_).value_or("").starts_with(own_)) return;
      if (is_over) ::unlink(path_.c_str());
      if (!is_over) file.write_at(own_.size(), as_bytes(fmt::format("{:020}", count)));
      file.close();  // shows it to other hosts
    } catch (const std::exception&) {
      continue;  // the next beat is in time
    }
  }
}

}  // namespace graft
