#include "tests/program/child.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "engine/base/file.h"

namespace graft::test {
namespace {

using namespace std::chrono_literals;

constexpr int could_not_start = 127;
constexpr std::uint64_t most_output = std::uint64_t{64} << 20;

int open_for_writing(const std::filesystem::path& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe new_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe can be made");
  return {ends[0], ends[1]};
}

Pipe full_pipe() {
  const Pipe pipe = new_pipe();
  const int flags = fcntl(pipe.write_end, F_GETFL);
  fcntl(pipe.write_end, F_SETFL, flags | O_NONBLOCK);
  while (write(pipe.write_end, "x", 1) == 1) {
  }
  fcntl(pipe.write_end, F_SETFL, flags);
  return pipe;
}

[[noreturn]] void become(std::vector<char*> arguments, const ChildOptions& options, int out,
                         int error) {
  // Tests may run in the background of a script, where SIGINT is ignored.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(number, SIG_DFL);
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  const bool placed = options.folder.empty() || chdir(options.folder.c_str()) == 0;
  if (!options.standard_input.empty() &&
      dup2(open(options.standard_input.c_str(), O_RDONLY | O_NOCTTY), STDIN_FILENO) < 0)
    _exit(could_not_start);
  if (placed && dup2(out, STDOUT_FILENO) >= 0 && dup2(error, STDERR_FILENO) >= 0)
    execv(arguments[0], arguments.data());
  _exit(could_not_start);
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments, const ChildOptions& options) {
  int out = -1;
  if (options.reader_has_gone) {
    const Pipe pipe = new_pipe();
    close(pipe.read_end);
    out = pipe.write_end;
  } else if (options.reader_sleeps) {
    const Pipe pipe = full_pipe();
    sleeping_reader_ = pipe.read_end;
    out = pipe.write_end;
  } else {
    out = open_for_writing(options.standard_output.empty() ? folder_ / "out"
                                                           : options.standard_output);
  }
  const int error = open_for_writing(folder_ / "error");
  std::vector<std::string> words = {options.program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  process_ = fork();
  if (process_ == 0) become(std::move(pointers), options, out, error);
  close(out);
  close(error);
  if (process_ < 0) throw std::runtime_error("no child process can be made");
}

Child::~Child() {
  if (!ended()) {
    signal(SIGKILL);
    waitpid(process_, &status_, 0);
  }
  if (sleeping_reader_ >= 0) close(sleeping_reader_);
}

void Child::signal(int number) const {
  kill(process_, number);
}

bool Child::ended() {
  if (!ended_) ended_ = waitpid(process_, &status_, WNOHANG) == process_;
  return ended_;
}

bool Child::wait_until(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + 1min;
  while (!condition()) {
    if (ended() || std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

std::string Child::out_so_far() const {
  return read_text_file(folder_ / "out", most_output);
}

std::string Child::error_so_far() const {
  return read_text_file(folder_ / "error", most_output);
}

Outcome Child::wait() {
  const auto limit = std::chrono::steady_clock::now() + 4min;
  while (!ended()) {
    if (std::chrono::steady_clock::now() > limit) {
      ADD_FAILURE() << "the program does not end";
      signal(SIGKILL);
    }
    std::this_thread::sleep_for(1ms);
  }
  Outcome outcome;
  outcome.exit_code = WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  if (std::filesystem::exists(folder_ / "out")) outcome.out = out_so_far();
  outcome.error = error_so_far();
  return outcome;
}

Outcome graft_program(const std::vector<std::string>& arguments, const ChildOptions& options) {
  return Child(arguments, options).wait();
}

}  // namespace graft::test
