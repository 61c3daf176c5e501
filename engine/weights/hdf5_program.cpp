#include "engine/weights/hdf5_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "engine/weights/refuse.h"

namespace graft {
namespace {

constexpr std::size_t longest_sentence = 4000;
constexpr const char* interrupted = "interrupted while the weights were read";

// Starts the program words[0] with `output` as its standard output, an empty standard input, no other
// descriptor but standard error, and no signal blocked. Returns 0 or the code of an error.
int start(std::vector<std::string>& words, int output, pid_t& process) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  // This program may ignore these. SIGINT, SIGTERM and SIGHUP stay ignored where they are.
  for (const int signal : {SIGPIPE, SIGXCPU, SIGXFSZ}) sigaddset(&signals, signal);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  const int code =
      posix_spawn(&process, pointers[0], &actions, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

// A process and the pipe that it writes to. It does not outlive the object.
class Child {
 public:
  Child(pid_t process, int pipe) : process_(process), pipe_(pipe) {}
  ~Child() {
    close(pipe_);
    if (process_ > 0) reap();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void kill() const { ::kill(process_, SIGKILL); }

  // The pipe up to its end, or up to one byte more than `most`. Nothing after `limit`.
  std::optional<std::vector<std::byte>> read(std::size_t most,
                                             std::chrono::milliseconds limit) const {
    const auto end = std::chrono::steady_clock::now() + limit;
    std::vector<std::byte> bytes(most + 1);
    std::size_t size = 0;
    while (size < bytes.size()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      pollfd readable{pipe_, POLLIN, 0};
      const int ready = left.count() > 0 ? poll(&readable, 1, static_cast<int>(left.count())) : 0;
      if (ready == 0) return std::nullopt;
      const ssize_t got = ready < 0 ? -1 : ::read(pipe_, bytes.data() + size, bytes.size() - size);
      if (got == 0 || (got < 0 && errno != EINTR)) break;
      if (got > 0) size += static_cast<std::size_t>(got);
    }
    bytes.resize(size);
    return bytes;
  }

  // How it ended: it is killed if it goes on without its output, which an exit closes last. 0 where the
  // system does not keep it, because this program ignores SIGCHLD.
  int reap() {
    kill();
    int status = 0;
    while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return status;
  }

 private:
  pid_t process_;
  int pipe_;
};

// Throws for a process that did not exit with 0.
void check_ending(const std::filesystem::path& file, int status) {
  constexpr const char* advice = "it is damaged; fetch it or save the weights again";
  if (!WIFSIGNALED(status)) {
    if (WEXITSTATUS(status) == 0) return;
    refuse_weights(file, "graft-hdf5 ended with the code {}", WEXITSTATUS(status));
  }
  const int signal = WTERMSIG(status);
  const char* description = sigdescr_np(signal);
  switch (signal) {
    case SIGINT:
    case SIGTERM:
    case SIGHUP:
      throw Error(ErrorKind::interrupted, interrupted);
    case SIGBUS:
      throw Error(ErrorKind::io, shown(file) + ": its disk failed, or it became shorter meanwhile");
    case SIGKILL:
      throw Error(ErrorKind::device,
                  shown(file) + ": graft-hdf5 was killed, perhaps because memory ran out");
    case SIGXCPU:
      refuse_weights(file, "the HDF5 library did not come to an end with it: {}", advice);
    default:
      refuse_weights(file, "the HDF5 library crashed on it ({}): {}",
                     description == nullptr ? "an unknown signal" : description, advice);
  }
}

}  // namespace

std::filesystem::path hdf5_program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "graft-hdf5";
}

std::vector<std::byte> run_hdf5_program(const std::filesystem::path& program,
                                        const std::filesystem::path& file,
                                        std::span<const std::string> request,
                                        std::size_t largest_result, const std::stop_token& stop,
                                        std::chrono::milliseconds time_limit) {
  std::vector<std::string> words = {program.string(), std::to_string(getpid()), file.string()};
  words.insert(words.end(), request.begin(), request.end());
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    throw Error(ErrorKind::io, "cannot make a pipe: {}", std::strerror(errno));
  pid_t process = -1;
  const int code = start(words, ends[1], process);
  close(ends[1]);
  Child child(code == 0 ? process : -1, ends[0]);
  if (code != 0) {
    throw Error(code == ENOMEM || code == EAGAIN ? ErrorKind::device : ErrorKind::io,
                "cannot start {}, which reads and writes HDF5 files: {}; keep it next to the "
                "program, or use a safetensors file",
                shown(program), std::strerror(code));
  }

  std::optional<std::vector<std::byte>> answer;
  {
    const std::stop_callback kill_it(stop, [&child] { child.kill(); });
    answer = child.read(1 + std::max(largest_result, longest_sentence), time_limit);
  }
  if (stop.stop_requested()) throw Error(ErrorKind::interrupted, interrupted);
  if (!answer) {
    refuse_weights(file, "reading it takes longer than {} s; copy it to a faster disk",
                   std::chrono::ceil<std::chrono::seconds>(time_limit).count());
  }
  if (answer->size() > 1 + std::max(largest_result, longest_sentence))
    refuse_weights(file, "graft-hdf5 sent more than the {} bytes that fit", largest_result);
  check_ending(file, child.reap());
  if (answer->empty()) refuse_weights(file, "graft-hdf5 sent no answer");
  const std::byte first = answer->front();
  answer->erase(answer->begin());
  if (first == hdf5_result) return *std::move(answer);
  // A process gone astray may send any byte.
  ErrorKind kind = ErrorKind::weights;
  for (const ErrorKind other : {ErrorKind::device, ErrorKind::io})
    if (first == static_cast<std::byte>(other)) kind = other;
  throw Error(kind, printable({reinterpret_cast<const char*>(answer->data()), answer->size()},
                              longest_sentence));
}

}  // namespace graft
