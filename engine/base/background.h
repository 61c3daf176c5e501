#pragma once
// Start and priority of background threads.

#include <functional>
#include <future>
#include <thread>

namespace graft {

// Throws Error(device) when the system refuses a thread.
std::jthread start_thread(std::function<void()> work);

// The same for work whose end or failure is asked for: get() waits and throws what it threw. The
// destructor waits, too.
std::future<void> start_work(std::function<void()> work);

// Lowers the priority of the calling thread for good: it gets about a tenth of a core that another
// thread wants, and all of an idle one. Does nothing where the system refuses.
void step_back() noexcept;

}  // namespace graft
