#include "engine/base/background.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "engine/base/error.h"

namespace graft {

std::jthread start_thread(std::function<void()> work) {
  try {
    return std::jthread(std::move(work));
  } catch (const std::system_error& error) {
    throw Error(ErrorKind::device,
                fmt::format("cannot start a thread: {}; lower \"threads\", or raise the limits on "
                            "processes (ulimit -u) and memory (ulimit -v)",
                            error.code().message()));
  }
}

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
