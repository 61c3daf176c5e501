#include "tools/graft/last_resort.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
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

// Looks for the line START-END … PATH of /proc/self/maps with the address, and prints the path.
void put_mapped_file(std::uintptr_t address) {
  static std::array<char, 8192> text;  // not on the stack, which may be small
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  std::size_t size = 0;
  for (;;) {
    const ssize_t got = ::read(maps, text.data() + size, text.size() - size);
    if (got <= 0) return put("a file");
    size += static_cast<std::size_t>(got);
    std::string_view rest(text.data(), size);
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;) {
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end + 1);
      std::uintptr_t first = 0, last = 0;
      const auto dash = std::from_chars(line.data(), line.data() + line.size(), first, 16).ptr + 1;
      std::from_chars(dash, line.data() + line.size(), last, 16);
      if (address < first || address >= last || line.find('/') == line.npos) continue;
      for (const char byte : line.substr(line.find('/'))) {
        const bool is_control = static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F;
        put(is_control ? "?" : std::string_view(&byte, 1));
      }
      return;
    }
    size = rest.size();
    std::copy(rest.begin(), rest.end(), text.begin());
  }
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
  put("\ngraft: cannot read ");
  put_mapped_file(reinterpret_cast<std::uintptr_t>(info->si_addr));
  put(": it became shorter while it was in use, or its disk failed\n");
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
