#pragma once
// Work in a forked child, for tests of what a process leaves behind when it is killed or when the
// disk is full.

#include <csignal>
#include <cstdint>
#include <functional>

namespace graft::test {

struct Ending {
  int exit_code = -1;  // of a child that ended by itself
  int signal = 0;      // what ended it otherwise
  bool succeeded() const { return signal == 0 && exit_code == 0; }
  bool killed() const { return signal == SIGKILL; }
};

// Runs `work` in a child and waits for it. The exit code is what `work` returns, or 125 when it
// throws (the message goes to standard error).
Ending in_child(const std::function<int()>& work);

// SIGKILL to this process.
[[noreturn]] void die();

// From now on a file of this process ends at `bytes`: write() fails as on a full disk, with EFBIG.
void limit_file_size(std::uint64_t bytes);

// From now on this process may map `bytes` more than it has: a thread's stack may not fit.
void limit_more_memory(std::uint64_t bytes);

// Why limit_more_memory cannot be used in this build; null where it can.
const char* why_no_memory_limit();

}  // namespace graft::test
