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
#include <thread>
#include <utility>

#include "engine/weights/refuse.h"

namespace graft {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t longest_sentence = 4000;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_;
};

// What a process is started with: an empty standard input, `output` as its standard output, no other
// descriptor but standard error, and no signal blocked.
class Surroundings {
 public:
  explicit Surroundings(int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    // A program may ignore or handle these. SIGINT, SIGTERM and SIGHUP stay ignored where they are.
    for (const int signal : {SIGPIPE, SIGXCPU, SIGXFSZ}) sigaddset(&signals, signal);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
  }
  ~Surroundings() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  // The new process, or the negative of an error's code.
  pid_t start(std::vector<std::string> words) const {
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_t process = -1;
    const int code =
        posix_spawn(&process, pointers[0], &actions_, &attributes_, pointers.data(), environ);
    return code == 0 ? process : -code;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

class Child {
 public:
  explicit Child(pid_t process) : process_(process) {}
  ~Child() {
    if (process_ < 0) return;
    kill();
    reap();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void kill() const { ::kill(process_, SIGKILL); }
  // How it ended; it is killed if it does not end within a second. 0 where the system does not keep it,
  // because this process ignores SIGCHLD.
  int reap() {
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < 1000 && ended == 0; ++i) {
      ended = waitpid(process_, &status, WNOHANG);
      if (ended == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (ended == 0) {
      kill();
      while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
      }
    }
    process_ = -1;
    return status;
  }

 private:
  pid_t process_;
};

enum class Reading { complete, too_slow, too_long };

// Everything up to the end of the pipe, unless that has more than `most` bytes or comes after `end`.
Reading read_pipe(int pipe, std::size_t most, Clock::time_point end,
                  std::vector<std::byte>& bytes) {
  bytes.resize(most + 1);  // one more, so that an answer that is too long shows
  std::size_t size = 0;
  while (size <= most) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    pollfd readable{pipe, POLLIN, 0};
    const int ready = left.count() > 0 ? poll(&readable, 1, static_cast<int>(left.count())) : 0;
    if (ready == 0) return Reading::too_slow;
    const ssize_t got = ready < 0 ? -1 : ::read(pipe, bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno != EINTR) break;
    if (got == 0) break;
    if (got > 0) size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return size <= most ? Reading::complete : Reading::too_long;
}

// Throws for a process that did not exit with 0.
void check_ending(const std::filesystem::path& file, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (!WIFSIGNALED(status)) {
    refuse_weights(file, "graft-hdf5, which reads HDF5 files, ended with the code {}",
                   WEXITSTATUS(status));
  }
  const int signal = WTERMSIG(status);
  switch (signal) {
    case SIGXCPU:
      refuse_weights(file,
                     "the HDF5 library did not come to an end with it: it is damaged; fetch it or "
                     "save the weights again");
    case SIGINT:
    case SIGTERM:
    case SIGHUP:
      throw Error(ErrorKind::interrupted, "interrupted while the weights were read");
    case SIGBUS:
      throw Error(ErrorKind::io,
                  fmt::format("cannot read {}: its disk failed, or it became shorter meanwhile",
                              shown(file)));
    case SIGKILL:
      throw Error(ErrorKind::device,
                  fmt::format("graft-hdf5 was killed while it read {}, perhaps because the machine "
                              "ran out of memory",
                              shown(file)));
    default:
      refuse_weights(file,
                     "the HDF5 library crashed on it ({}): it is damaged; fetch it or save the "
                     "weights again",
                     sigdescr_np(signal) == nullptr ? "an unknown signal" : sigdescr_np(signal));
  }
}

// The kind of a refusal that starts with this byte. A process gone astray may send any.
ErrorKind refusal_kind(std::byte first) {
  for (const ErrorKind kind : {ErrorKind::device, ErrorKind::io})
    if (first == static_cast<std::byte>(kind)) return kind;
  return ErrorKind::weights;
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
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    throw Error(ErrorKind::io, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  const Descriptor pipe(ends[0]);
  Descriptor output(ends[1]);
  std::vector<std::string> words = {program.string(), std::to_string(getpid()), file.string()};
  words.insert(words.end(), request.begin(), request.end());
  const pid_t process = Surroundings(output.get()).start(std::move(words));
  if (process < 0) {
    const bool no_memory = process == -ENOMEM || process == -EAGAIN;
    throw Error(no_memory ? ErrorKind::device : ErrorKind::io,
                fmt::format("cannot start {}, which reads HDF5 files: {}; it must be next to the "
                            "program",
                            shown(program), std::strerror(-process)));
  }
  Child child(process);
  output.close();

  std::vector<std::byte> answer;
  Reading reading = Reading::complete;
  {
    const std::stop_callback kill_it(stop, [&child] { child.kill(); });
    reading = read_pipe(pipe.get(), 1 + std::max(largest_result, longest_sentence),
                        Clock::now() + time_limit, answer);
  }
  if (reading != Reading::complete) child.kill();
  const int status = child.reap();
  if (stop.stop_requested())
    throw Error(ErrorKind::interrupted, "interrupted while the weights were read");
  if (reading == Reading::too_slow)
    refuse_weights(file, "reading it takes longer than {} s; copy it to a faster disk",
                   std::chrono::ceil<std::chrono::seconds>(time_limit).count());
  if (reading == Reading::too_long)
    refuse_weights(file, "graft-hdf5 sent more than the {} bytes that fit", largest_result);
  check_ending(file, status);
  if (answer.empty()) refuse_weights(file, "graft-hdf5 sent no answer");
  if (answer.front() != hdf5_result) {
    const auto* text = reinterpret_cast<const char*>(answer.data());
    throw Error(refusal_kind(answer.front()),
                printable({text + 1, answer.size() - 1}, longest_sentence));
  }
  answer.erase(answer.begin());
  return answer;
}

}  // namespace graft
