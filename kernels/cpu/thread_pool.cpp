#include "kernels/cpu/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace graft::cpu {
namespace {

void rest_a_moment() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

template <typename Condition>
void spin_until(const Condition& condition) {
  constexpr auto patience = std::chrono::microseconds(50);
  constexpr int rests = 32;  // between two looks at the clock
  const auto end = std::chrono::steady_clock::now() + patience;
  do {
    for (int rest = 0; rest < rests; ++rest) {
      if (condition()) return;
      rest_a_moment();
    }
  } while (std::chrono::steady_clock::now() < end);
}

}  // namespace

ThreadPool::ThreadPool(std::size_t threads) : spins_(threads <= available_cores()) {
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
    failed_ = false;
    open_ = pieces > 1;
    ++job_;
  }
  if (pieces > 1) start_.notify_all();
  take_pieces(0);
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  const auto finished = [this] { return working_ == 0; };
  if (spins_) spin_until(finished);
  std::unique_lock lock(mutex_);
  finished_.wait(lock, finished);
  piece_ = nullptr;
  if (failure_) std::rethrow_exception(failure_);
}

void ThreadPool::work(std::size_t thread) {
  std::size_t seen = 0;
  const auto called = [&] { return closing_ || job_ != seen; };
  while (true) {
    if (spins_) spin_until(called);
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, called);
      if (closing_) return;
      seen = job_;
      if (!open_) continue;
      ++working_;
    }
    take_pieces(thread);
    const std::lock_guard lock(mutex_);
    if (--working_ == 0) finished_.notify_one();
  }
}

void ThreadPool::take_pieces(std::size_t thread) {
  while (!failed_) {
    const std::size_t index = next_++;
    if (index >= pieces_) return;
    try {
      (*piece_)(index, thread);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      failed_ = true;
    }
  }
}

std::size_t available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return std::max(1U, std::thread::hardware_concurrency());
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace graft::cpu
