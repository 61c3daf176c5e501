#pragma once
// SIGINT, SIGTERM, SIGHUP and SIGXCPU: the first asks a run to stop; the second ends the program at
// once. A thread waits for them, because a signal handler may call almost nothing.

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace graft::program {

// What the first signal does.
enum class FirstSignal {
  asks,   // the run to stop, and ends the program if it goes on for half a second: a step of a
          // large head takes longer, and files are complete or absent at any moment
  waits,  // asks the run to stop, and leaves it the time to save its work
  ends,   // the program at once: there is nothing to save yet
};

// Construct it before any other thread starts: threads inherit the blocked signals. A signal that
// was ignored when the program started (nohup, a background job of a script) stays ignored.
class Signals {
 public:
  explicit Signals(FirstSignal first = FirstSignal::asks);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  std::stop_token stop_token() const { return stop_.get_token(); }
  void set(FirstSignal first) { first_ = first; }

 private:
  void wait_for_signals();

  sigset_t waited_for_{};
  std::atomic<FirstSignal> first_;
  std::stop_source stop_;
  std::jthread thread_;
};

}  // namespace graft::program
