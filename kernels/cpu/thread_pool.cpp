#include "kernels/cpu/thread_pool.h"

#include <sched.h>

#include <algorithm>

namespace graft::cpu {

ThreadPool::ThreadPool(std::size_t threads) {
  try {
    for (std::size_t thread = 1; thread < std::max<std::size_t>(threads, 1); ++thread) {
      workers_.emplace_back([this, thread] { work(thread); });
    }
  } catch (...) {
    close();  // those that run already would wait for ever
    throw;
  }
}

ThreadPool::~ThreadPool() {
  close();
}

void ThreadPool::close() noexcept {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  start_.notify_all();
}

void ThreadPool::parallel_for(std::size_t pieces,
                              const std::function<void(std::size_t, std::size_t)>& piece) {
  {
    const std::lock_guard lock(mutex_);
    piece_ = &piece;
    pieces_ = pieces;
    next_ = 0;
    failure_ = nullptr;
    running_ = threads();
    ++job_;
  }
  start_.notify_all();
  take_pieces(0);
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] { return running_ == 0; });
  piece_ = nullptr;
  if (failure_) std::rethrow_exception(failure_);
}

void ThreadPool::work(std::size_t thread) {
  std::size_t seen = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return closing_ || job_ != seen; });
      if (closing_) return;
      seen = job_;
    }
    take_pieces(thread);
  }
}

void ThreadPool::take_pieces(std::size_t thread) {
  std::unique_lock lock(mutex_);
  while (next_ < pieces_ && !failure_) {
    const std::size_t index = next_++;
    lock.unlock();
    std::exception_ptr failure;
    try {
      (*piece_)(index, thread);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !failure_) failure_ = failure;
  }
  if (--running_ == 0) finished_.notify_one();
}

std::size_t available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return std::max(1U, std::thread::hardware_concurrency());
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace graft::cpu
