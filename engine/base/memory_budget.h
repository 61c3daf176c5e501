#pragma once
// A number of bytes that several threads share. A thread reserves memory before it takes it, and
// waits until the others have returned enough.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <stop_token>
#include <utility>

namespace graft {

class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit) : limit_(limit), free_(limit) {}

  // Some bytes of a budget, which the destructor returns. Move-only.
  class Reservation {
   public:
    Reservation(Reservation&& other) noexcept
        : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { budget_->release(bytes_); }

    // Changes the size if the bytes are free now. Returns false, and keeps the size, if not.
    bool try_resize(std::uint64_t bytes);

   private:
    friend class MemoryBudget;
    Reservation(MemoryBudget& budget, std::uint64_t bytes) : budget_(&budget), bytes_(bytes) {}
    MemoryBudget* budget_;
    std::uint64_t bytes_;
  };

  std::uint64_t limit() const { return limit_; }
  std::size_t waiting() const;  // threads in reserve()

  // Waits until `bytes`, at most limit(), are free. Threads are served in the order of their calls,
  // so that small reservations do not overtake a large one for ever. A thread that waits holds no
  // other reservation. Throws Error(interrupted) on stop.
  Reservation reserve(std::uint64_t bytes, const std::stop_token& stop);

 private:
  void release(std::uint64_t bytes) noexcept;

  const std::uint64_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t free_;
  std::uint64_t next_ticket_ = 0;
  std::deque<std::uint64_t> waiting_;  // tickets
};

}  // namespace graft
