#include "engine/base/background.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace graft {

// On Linux each thread has its own nice value. A level is a factor of 1.25 in the share of a core, so
// ten levels are about a factor of ten.
void step_back() noexcept {
  constexpr int levels = 10;
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  errno = 0;
  const int now = ::getpriority(PRIO_PROCESS, thread);
  if (now == -1 && errno != 0) return;
  ::setpriority(PRIO_PROCESS, thread, now + levels);  // the system cuts it to its largest, 19
}

}  // namespace graft
