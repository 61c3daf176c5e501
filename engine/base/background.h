#pragma once
// Start and priority of background threads, and work on one.

#include <functional>
#include <future>
#include <thread>

#include "engine/base/bounded_queue.h"

namespace graft {

// Throws Error(device) when the system refuses a thread.
std::jthread start_thread(std::function<void()> work);

// Lowers the priority of the calling thread for good: it gets about a tenth of a core that another
// thread wants, and all of an idle one. Does nothing where the system refuses.
void step_back() noexcept;

// A thread that does one piece of work at a time for the thread that owns it.
class BackgroundWorker {
 public:
  BackgroundWorker();                      // throws as start_thread does
  ~BackgroundWorker() { tasks_.close(); }  // waits for the work; what it throws is lost

  void start(std::function<void()> work);  // the last one has been waited for
  void wait();  // until the work is done, if there is any; throws what it threw

 private:
  BoundedQueue<std::packaged_task<void()>> tasks_{1};
  std::future<void> done_;
  std::jthread thread_;  // last: joined before what it uses is gone
};

}  // namespace graft
