#include "tests/faults/fault.h"

#include <execinfo.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

#include "tests/faults/undo.h"

namespace graft::faults {
namespace {

constexpr std::array<std::string_view, 16> names = {
    "open",   "read", "list", "write", "size",  "sync",   "rename", "remove",
    "folder", "stat", "lock", "map",   "close", "thread", "memory", "change"};
constexpr std::size_t change = names.size() - 1;

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Settings {
  std::string root = from_environment("FAULT_ROOT");
  std::size_t at = std::strtoul(from_environment("FAULT_AT").c_str(), nullptr, 10);
  bool lasts = !from_environment("FAULT_LASTS").empty();
  std::string action = from_environment("FAULT_ACTION");
  std::string report = from_environment("FAULT_REPORT");
  std::array<bool, names.size()> counted{};

  Settings() {
    std::istringstream calls(from_environment("FAULT_CALLS"));
    for (std::string name; std::getline(calls, name, ',');) {
      for (std::size_t i = 0; i < names.size(); ++i) counted[i] |= name == names[i];
    }
  }
};

struct Calls {
  std::size_t count = 0;
  std::set<std::uint64_t> stacks;
  std::vector<std::size_t> first_of_stack;
};

// Neither is destroyed: threads may use them until the end.
const Settings& settings() {
  static const auto* const read = new Settings;
  return *read;
}
std::array<Calls, names.size()>& all_calls() {
  static auto* const calls = new std::array<Calls, names.size()>;
  return *calls;
}

std::atomic<bool> in_main = false;
std::atomic<std::size_t> matched = 0;
std::atomic<bool> is_met = false;
thread_local int depth = 0;

std::uint64_t stack_digest() {
  std::array<void*, 24> frames{};
  const int count = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  std::uint64_t digest = 14695981039346656037U;  // FNV-1a
  for (int i = 0; i < count; ++i) {
    digest ^= reinterpret_cast<std::uintptr_t>(frames[static_cast<std::size_t>(i)]);
    digest *= 1099511628211U;
  }
  return digest;
}

void count(std::size_t kind, std::uint64_t stack) {
  Calls& calls = all_calls()[kind];
  ++calls.count;
  if (calls.stacks.insert(stack).second) calls.first_of_stack.push_back(calls.count);
}

void write_report() {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += std::string(names[i]) + " " + std::to_string(all_calls()[i].count);
    for (const std::size_t number : all_calls()[i].first_of_stack)
      text += " " + std::to_string(number);
    text += "\n";
  }
  text += is_met ? "met 1\n" : "met 0\n";
  const auto file = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, settings().report.c_str(),
                                               O_WRONLY | O_CREAT | O_TRUNC, 0666));
  ::syscall(SYS_write, file, text.data(), text.size());
  ::syscall(SYS_close, file);
}

[[noreturn]] void die() {
  ::syscall(SYS_kill, ::getpid(), SIGKILL);
  for (;;) ::pause();
}

void end() {
  const Inside inside;
  const std::scoped_lock lock(change_mutex());
  in_main = false;
  if (!settings().report.empty()) write_report();
  // The power may also fail just after the program said that all is well.
  if (!cut_is_planned() || matched >= settings().at) return;
  undo_unsynced();
  die();
}

}  // namespace

void begin_main() {
  {
    const Inside inside;
    std::array<void*, 1> frame{};
    ::backtrace(frame.data(), 1);  // loads the library that it needs
    (void)settings();
    (void)all_calls();
    ::unsetenv("LD_PRELOAD");  // the fault is for this process, not for its children
    std::atexit(end);
  }
  in_main = true;
}

bool is_counting() {
  return in_main && depth == 0;
}

Inside::Inside() {
  ++depth;
}

Inside::~Inside() {
  --depth;
}

int meet(Call call, bool changes, const std::function<long()>& half) {
  const Settings& fault = settings();
  const auto kind = static_cast<std::size_t>(call);
  if (fault.at == 0) {
    const std::scoped_lock lock(change_mutex());
    const std::uint64_t stack = stack_digest();
    count(kind, stack);
    if (changes) count(change, stack);
    return 0;
  }
  if (!fault.counted[kind] && !(changes && fault.counted[change])) return 0;
  const std::size_t number = ++matched;
  if (number < fault.at || (number > fault.at && !fault.lasts)) return 0;
  is_met = true;
  if (fault.action == "short") return half ? do_half : 0;
  if (fault.action == "bus") return raise_bus_error;
  if (fault.action == "stop") {
    ::syscall(SYS_kill, ::getpid(), SIGSTOP);
    return 0;
  }
  if (fault.action != "kill" && fault.action != "cut") return std::atoi(fault.action.c_str());
  if (half) half();
  if (fault.action == "cut") undo_unsynced();
  die();
}

std::recursive_mutex& change_mutex() {
  static auto* const mutex = new std::recursive_mutex;
  return *mutex;
}

bool cut_is_planned() {
  return settings().action == "cut";
}

std::string path_of(int descriptor) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  return size <= 0 ? "" : std::string(path.data(), static_cast<std::size_t>(size));
}

std::string path_of(int folder, const char* name) {
  if (name[0] == '/') return name;
  if (folder != AT_FDCWD) return path_of(folder).append("/").append(name);
  std::array<char, 4096> path{};
  std::string full = ::getcwd(path.data(), path.size());
  return full.append("/").append(name);
}

bool is_below_root(const std::string& path) {
  const std::string& root = settings().root;
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

}  // namespace graft::faults
