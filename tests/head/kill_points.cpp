#include "kill_points.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

namespace graft::test {
namespace {

// A global, because the functions below have C's signatures. Negative: nobody is to die.
long operations_left = -1;

void before_file_operation() {
  if (operations_left == 0) die();
  if (operations_left > 0) --operations_left;
}

}  // namespace

void die_after_file_operations(long count) {
  operations_left = count;
}

void die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

Ending in_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      work();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return Ending::killed;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
  return Ending::finished;
}

}  // namespace graft::test

// These stand before the C library's own for every caller in the program.
extern "C" {

int rename(const char* from, const char* to) noexcept {
  graft::test::before_file_operation();
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlink(const char* path) noexcept {
  graft::test::before_file_operation();
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

// A sync is for a power cut. What a killed process has written is there without, so the slow disk
// is left out of it.
int fsync(int /*descriptor*/) {
  graft::test::before_file_operation();
  return 0;
}

int fdatasync(int /*descriptor*/) {
  graft::test::before_file_operation();
  return 0;
}
}
