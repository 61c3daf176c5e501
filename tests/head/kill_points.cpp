#include "kill_points.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "tests/support/forked.h"

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
