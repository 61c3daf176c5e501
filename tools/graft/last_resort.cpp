#include "tools/graft/last_resort.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>
#include <system_error>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "tools/graft/standard_output.h"

namespace graft::program {
namespace {

constexpr std::string_view memory_sentence =
    "graft: memory ran out; reduce backbone.batch_size, data.image_size or head.hidden\n";

// Without stdio and without memory: a signal handler and a program without memory may call it.
void put(std::string_view text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

int fail(ErrorKind kind, std::string_view sentence) {
  put("graft: " + safe_lines(sentence) + '\n');
  return static_cast<int>(kind);
}

[[noreturn]] void on_memory_end() {
  put(memory_sentence);
  _exit(static_cast<int>(ErrorKind::device));
}

void on_bus_error(int, siginfo_t* info, void*) {
  if (info->si_code != BUS_ADRERR) {  // not a file: a bug, or a defective memory
    std::signal(SIGBUS, SIG_DFL);
    return;  // and the instruction fails again
  }
  put("\ngraft: a file in use (photos, features, weights or classifier) became shorter, or its "
      "disk failed; run again when it is intact\n");
  _exit(static_cast<int>(ErrorKind::io));
}

void on_processor_time_limit(int) {
  put("\ngraft: the limit on processor time (ulimit -t) is reached\n");
  _exit(static_cast<int>(ErrorKind::interrupted));
}

[[noreturn]] void on_terminate() {
  if (!std::current_exception()) std::abort();
  _exit(report_exception());
}

}  // namespace

void install_last_resorts() {
  std::set_new_handler(on_memory_end);
  std::set_terminate(on_terminate);
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGXCPU, on_processor_time_limit);
  // `ulimit -t` sets both limits, and the hard one kills: the soft one has to come before it.
  rlimit time{};
  if (getrlimit(RLIMIT_CPU, &time) != 0 || time.rlim_max == RLIM_INFINITY) return;
  time.rlim_cur = std::min(time.rlim_cur, std::max<rlim_t>(time.rlim_max, 3) - 2);
  setrlimit(RLIMIT_CPU, &time);
}

int report_exception() noexcept {
  try {
    throw;
  } catch (const ReaderGone&) {
    return EXIT_SUCCESS;
  } catch (const Error& error) {
    return fail(error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    put(memory_sentence);
    return static_cast<int>(ErrorKind::device);
  } catch (const std::system_error& error) {  // filesystem_error is one
    const int code = error.code().value();
    return fail(code == ENOMEM || code == EAGAIN ? ErrorKind::device : ErrorKind::io,
                printable(error.what()));
  } catch (const std::exception& error) {
    put("graft: a bug in this program, please report it: " + safe_lines(error.what()) + '\n');
    return EXIT_FAILURE;
  } catch (...) {
    put("graft: a bug in this program, please report it\n");
    return EXIT_FAILURE;
  }
}

}  // namespace graft::program
