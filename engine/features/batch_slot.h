#pragma once
// One batch of the pipeline: pixels in, features out, both in the backend's host memory. A fixed
// number of slots circulates, which bounds the memory of the pipeline.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "engine/backend/backend.h"

namespace graft {

// The result of decoding one image.
struct DecodeOutcome {
  std::string bad_reason;    // not empty: a bad image
  std::exception_ptr fatal;  // set: the run cannot go on
};

class BatchSlot {
 public:
  BatchSlot(Backend& backend, std::size_t capacity, std::size_t image_bytes,
            std::size_t feature_count)
      : image_bytes_(image_bytes),
        feature_count_(feature_count),
        images_(backend.allocate_host(capacity * image_bytes)),
        features_(backend.allocate_host(capacity * feature_count * sizeof(float))) {}

  // Begins a batch of the images first … first + count - 1.
  void open(std::size_t first, std::size_t count) {
    first_ = first;
    count_ = count;
    rows_ = 0;
    outcomes_.assign(count, {});
    const std::lock_guard lock(mutex_);
    undecoded_ = count;
  }
  std::size_t first() const { return first_; }
  std::size_t count() const { return count_; }

  // Called by decoders, once for each position below count().
  std::span<std::uint8_t> pixels(std::size_t position) const {
    return images_.as<std::uint8_t>().subspan(position * image_bytes_, image_bytes_);
  }
  // Calls when_complete() for the last of them, before wait_decoded() returns.
  template <typename WhenComplete>
  void set_outcome(std::size_t position, const DecodeOutcome& outcome,
                   const WhenComplete& when_complete) {
    try {
      outcomes_[position] = outcome;
    } catch (const std::bad_alloc&) {
      outcomes_[position] = {{}, std::current_exception()};
    }
    const std::lock_guard lock(mutex_);
    if (--undecoded_ > 0) return;
    when_complete();
    decoded_.notify_all();
  }

  void wait_decoded() {
    std::unique_lock lock(mutex_);
    decoded_.wait(lock, [&] { return undecoded_ == 0; });
  }

  const std::vector<DecodeOutcome>& outcomes() const { return outcomes_; }
  // Forgets the images from `position` on.
  void cut(std::size_t position) {
    count_ = position;
    outcomes_.resize(position);
  }
  // Moves the good images together, to the first rows() places.
  void close_gaps();
  std::size_t rows() const { return rows_; }

  std::span<const std::uint8_t> images() const {
    return images_.as<std::uint8_t>().first(rows_ * image_bytes_);
  }
  std::span<float> features() const { return features_.as<float>().first(rows_ * feature_count_); }

  Backbone::Ticket ticket = 0;

 private:
  const std::size_t image_bytes_;
  const std::size_t feature_count_;
  const HostBuffer images_;
  const HostBuffer features_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t rows_ = 0;
  std::vector<DecodeOutcome> outcomes_;
  std::mutex mutex_;
  std::condition_variable decoded_;
  std::size_t undecoded_ = 0;
};

}  // namespace graft
