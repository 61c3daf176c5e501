#include "engine/base/memory_budget.h"

#include "engine/base/error.h"

namespace graft {

MemoryBudget::Reservation& MemoryBudget::Reservation::operator=(Reservation&& other) noexcept {
  std::swap(budget_, other.budget_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

bool MemoryBudget::Reservation::try_resize(std::uint64_t bytes) {
  if (bytes <= bytes_) {
    budget_->release(bytes_ - bytes);
  } else {
    const std::lock_guard lock(budget_->mutex_);
    if (budget_->free_ < bytes - bytes_) return false;
    budget_->free_ -= bytes - bytes_;
  }
  bytes_ = bytes;
  return true;
}

MemoryBudget::Reservation MemoryBudget::reserve(std::uint64_t bytes, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!waiting_.empty() || free_ < bytes) {
    const std::uint64_t ticket = next_ticket_++;
    waiting_.push_back(ticket);
    const bool is_served =
        changed_.wait(lock, stop, [&] { return waiting_.front() == ticket && free_ >= bytes; });
    std::erase(waiting_, ticket);
    changed_.notify_all();  // another one is the first now
    if (!is_served) throw Error(ErrorKind::interrupted, "interrupted while waiting for memory");
  }
  free_ -= bytes;
  return {*this, bytes};
}

std::size_t MemoryBudget::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void MemoryBudget::release(std::uint64_t bytes) noexcept {
  if (bytes == 0) return;
  const std::lock_guard lock(mutex_);
  free_ += bytes;
  changed_.notify_all();
}

}  // namespace graft
