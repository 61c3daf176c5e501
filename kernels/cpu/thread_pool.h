#pragma once
// A fixed set of threads that run the same function on different pieces of one job. The caller is
// one of them. Which thread gets which piece never changes what is computed: kernels give the same
// bytes for any number of threads.
//
// A thread that waits looks for work for some 50 µs before it sleeps: between two layers, or two
// parts of a training step, less than that passes, and waking a thread that sleeps takes as long. A
// thread that wakes too late for a job is not waited for.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace graft::cpu {

class ThreadPool {
 public:
  // At least 1. Throws std::system_error when the system refuses a thread; none is left running.
  explicit ThreadPool(std::size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t threads() const { return workers_.size() + 1; }

  // Calls piece(i, thread) for i = 0 … pieces-1, each once, with thread in [0, threads()); threads
  // take the next piece when they are free. Returns when all are done; the first exception is
  // rethrown. One caller at a time; not reentrant.
  void parallel_for(std::size_t pieces,
                    const std::function<void(std::size_t piece, std::size_t thread)>& piece);

 private:
  void work(std::size_t thread);
  void take_pieces(std::size_t thread);
  void close() noexcept;  // the workers end

  const bool spins_;  // not when threads outnumber the cores: a spinning one would hold up another
  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable finished_;
  // The present job. Written under the mutex while no thread works on it.
  const std::function<void(std::size_t, std::size_t)>* piece_ = nullptr;
  std::size_t pieces_ = 0;
  bool open_ = false;  // workers may join
  std::exception_ptr failure_;
  std::atomic<std::size_t> job_ = 0;      // counts jobs, so that a worker sees a new one
  std::atomic<std::size_t> next_ = 0;     // the next piece to take
  std::atomic<std::size_t> working_ = 0;  // workers that have joined and not finished
  std::atomic<bool> failed_ = false;
  std::atomic<bool> closing_ = false;
  std::vector<std::jthread> workers_;  // last: joined before what they use is gone
};

// Cores that this process may run on (its affinity mask), at least 1.
std::size_t available_cores();

}  // namespace graft::cpu
