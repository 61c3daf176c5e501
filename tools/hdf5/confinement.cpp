#include "tools/hdf5/confinement.h"

#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace graft {
namespace {

// `margin` is what the hard limit has more: at that one of processor time, SIGKILL comes and not SIGXCPU.
void limit_resource(__rlimit_resource resource, rlim_t most, rlim_t margin = 0) {
  rlimit limit{};
  getrlimit(resource, &limit);
  limit.rlim_max = std::min(limit.rlim_max, most + margin);
  limit.rlim_cur = std::min({limit.rlim_cur, limit.rlim_max, most});
  setrlimit(resource, &limit);
}

// Memory, time, the answer, the end. Every other system call fails with EPERM. Not called under a
// sanitizer, which needs more of them.
[[maybe_unused]] bool filter_system_calls() {
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (filter == nullptr) return false;
  bool is_complete = true;
  for (const int call :
       {SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
        SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(futex),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group)}) {
    is_complete &= seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0;
  }
  is_complete &= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                                  SCMP_A0(SCMP_CMP_EQ, STDOUT_FILENO)) == 0;
  const bool is_loaded = is_complete && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return is_loaded;
}

}  // namespace

void die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

bool confine_process(std::uint64_t memory, std::uint64_t seconds) {
  prctl(PR_SET_DUMPABLE, 0);  // no core file, and no other process looks into this one
  limit_resource(RLIMIT_CPU, seconds, 1);
  limit_resource(RLIMIT_NPROC, 0);
  limit_resource(RLIMIT_FSIZE, 0);
#ifdef GRAFT_SANITIZED  // UndefinedBehaviorSanitizer opens pipes, to see whether memory can be read
  static_cast<void>(memory);
  return true;
#else
  limit_resource(RLIMIT_NOFILE, STDERR_FILENO + 1);
  limit_resource(RLIMIT_AS, memory);
  return filter_system_calls();
#endif
}

}  // namespace graft
