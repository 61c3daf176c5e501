#include "tests/support/forked.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>

namespace graft::test {

Ending in_child(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no child process can be made");
  if (child == 0) {
    int code = 125;
    try {
      code = work();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
    }
    _exit(code);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) throw std::runtime_error("the child is lost");
  Ending ending;
  if (WIFSIGNALED(status)) ending.signal = WTERMSIG(status);
  if (WIFEXITED(status)) ending.exit_code = WEXITSTATUS(status);
  return ending;
}

void die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

void limit_file_size(std::uint64_t bytes) {
  std::signal(SIGXFSZ, SIG_IGN);  // it would end the process before write() fails
  const rlimit limit{bytes, bytes};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) throw std::runtime_error("no limit can be set");
}

void limit_more_memory(std::uint64_t bytes) {
  std::uint64_t pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> pages))
    throw std::runtime_error("no /proc/self/statm");
  const std::uint64_t all = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) + bytes;
  const rlimit limit{all, all};
  if (setrlimit(RLIMIT_AS, &limit) != 0) throw std::runtime_error("no limit can be set");
}

const char* why_no_memory_limit() {
#if defined(__SANITIZE_ADDRESS__)
  return "AddressSanitizer maps memory of its own";
#elif defined(__SANITIZE_THREAD__)
  return "ThreadSanitizer maps memory of its own";
#else
  return nullptr;
#endif
}

}  // namespace graft::test
