#pragma once
// The fault that the environment names, and the count of calls that finds its moment.
//
//   FAULT_ROOT    the folder whose files count; calls on other files pass
//   FAULT_CALLS   what is counted, with commas: names of Call, or "change": all that changes files
//   FAULT_AT      the number of the call that meets the fault, from 1; 0: only count
//   FAULT_LASTS   set: all later calls meet it too, as on a full disk
//   FAULT_ACTION  a number: the call fails with this errno
//                 "short": a read or write does half of its work
//                 "bus": the file is mapped, but its pages raise SIGBUS
//                 "kill": half of a write, then SIGKILL
//                 "cut": half of a write, then unsynced changes are undone, then SIGKILL
//                 "stop": SIGSTOP before the call
//   FAULT_LOSES   for "cut": see undo.h
//   FAULT_UNDO    for "cut": a folder outside of FAULT_ROOT on the same file system
//   FAULT_REPORT  a file, written at exit. A line for each kind of call: its name, how often it was
//                 called, the number of the first call of each call stack. Then "met 1" if a call
//                 met the fault, else "met 0"

#include <functional>
#include <mutex>
#include <string>

namespace graft::faults {

enum class Call {
  open,
  read,
  list,
  write,
  size,
  sync,
  rename,
  remove,
  folder,
  stat,
  lock,
  map,
  close,
  thread,
  memory
};

void begin_main();   // nothing is counted before
bool is_counting();  // in this thread

// While one lives, the calls of this thread are the shim's own and not counted.
struct Inside {
  Inside();
  ~Inside();
};

// Counts a call. Returns 0 if it goes on, the errno with which it fails, or one of these two.
// `half` does half of a write; it is called before the process ends.
inline constexpr int do_half = -1;
inline constexpr int raise_bus_error = -2;
int meet(Call call, bool changes, const std::function<long()>& half = {});

bool cut_is_planned();
std::recursive_mutex& change_mutex();  // calls that change files happen one after another

std::string path_of(int descriptor);
std::string path_of(int folder, const char* name);
bool is_below_root(const std::string& path);

}  // namespace graft::faults
