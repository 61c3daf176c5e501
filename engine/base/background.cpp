#include "engine/base/background.h"

#include <fmt/format.h>
#include <unistd.h>

#include <optional>
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
// ten levels are about a factor of ten. The system cuts it to its largest, 19.
void step_back() noexcept {
  [[maybe_unused]] const int now = ::nice(10);
}

BackgroundWorker::BackgroundWorker() {
  thread_ = start_thread([this] {
    while (std::optional<std::packaged_task<void()>> task = tasks_.pop()) (*task)();
  });
}

void BackgroundWorker::start(std::function<void()> work) {
  std::packaged_task<void()> task(std::move(work));
  done_ = task.get_future();
  tasks_.push(std::move(task));
}

void BackgroundWorker::wait() {
  if (done_.valid()) done_.get();
}

}  // namespace graft
