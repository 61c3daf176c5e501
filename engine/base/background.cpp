#include "engine/base/background.h"

#include <unistd.h>

#include <system_error>
#include <utility>

#include "engine/base/error.h"

namespace graft {
namespace {

template <typename Start>
auto started(const Start& start) {
  try {
    return start();
  } catch (const std::system_error& error) {
    throw Error(ErrorKind::device,
                "cannot start a thread: {}; lower \"threads\", or raise the limits on processes "
                "(ulimit -u) and memory (ulimit -v)",
                error.code().message());
  }
}

}  // namespace

std::jthread start_thread(std::function<void()> work) {
  return started([&] { return std::jthread(std::move(work)); });
}

std::future<void> start_work(std::function<void()> work) {
  return started([&] { return std::async(std::launch::async, std::move(work)); });
}

// On Linux each thread has its own nice value. A level is a factor of 1.25 in the share of a core, so
// ten levels are about a factor of ten. The system cuts it to its largest, 19.
void step_back() noexcept {
  [[maybe_unused]] const int now = ::nice(10);
}

}  // namespace graft
