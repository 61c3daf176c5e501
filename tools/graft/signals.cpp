#include "tools/graft/signals.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "engine/base/background.h"
#include "engine/base/error.h"

namespace graft::program {
namespace {

constexpr int close_signal = SIGUSR1;  // the destructor's own

bool is_ignored(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

void print(std::string_view sentence) {
  // Not through stdio: the main thread may be in the middle of a line. Errors are ignored, and a
  // full pipe must not delay the next signal.
  pollfd error{STDERR_FILENO, POLLOUT, 0};
  if (poll(&error, 1, 0) != 1 || (error.revents & POLLOUT) == 0) return;
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, sentence.data(), sentence.size());
}

}  // namespace

Signals::Signals(FirstSignal first) : first_(first) {
  sigemptyset(&waited_for_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGXCPU})
    if (!is_ignored(signal)) sigaddset(&waited_for_, signal);
  sigaddset(&waited_for_, close_signal);
  pthread_sigmask(SIG_BLOCK, &waited_for_, nullptr);
  // A closed pipe (`graft predict … | head`) fails the write and does not kill the program.
  std::signal(SIGPIPE, SIG_IGN);
  thread_ = start_thread([this] { wait_for_signals(); });
}

Signals::~Signals() {
  pthread_kill(thread_.native_handle(), close_signal);
  thread_.join();
}

void Signals::wait_for_signals() {
  constexpr timespec grace{0, 500'000'000};
  for (bool asked = false;;) {
    const int signal =
        asked ? sigtimedwait(&waited_for_, nullptr, &grace) : sigwaitinfo(&waited_for_, nullptr);
    if (signal == close_signal) return;
    if (signal < 0) {  // the time is over, or a debugger stopped the program
      if (!asked || errno != EAGAIN || first_ == FirstSignal::waits) continue;
      print("graft: ended at once; finished work is saved\n");
    }
    if (asked || first_ == FirstSignal::ends) _exit(static_cast<int>(ErrorKind::interrupted));
    asked = true;
    stop_.request_stop();
    if (signal == SIGXCPU) print("\nthe limit on processor time (ulimit -t) is reached");
    print("\nstopping after this batch; finished work is saved (a second signal ends at once)\n");
  }
}

}  // namespace graft::program
