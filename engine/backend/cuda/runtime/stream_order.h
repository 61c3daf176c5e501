#pragma once
// Order of a batch's three pieces of work. Each piece has a stream of its own, so that the copies of
// two batches overlap the computation of a third, and waits for events only. The host never waits.
//
//   copy in   ──images──▶ compute ──features──▶ copy out      the batch's own order
//       ▲                 │     ▲                   │
//       └──images read────┘     └──features copied──┘         of the batch before in this slot

#include <cstddef>
#include <vector>

#include "engine/backend/cuda/runtime/resources.h"

namespace graft::cuda {

class StreamOrder {
 public:
  explicit StreamOrder(std::size_t slots) : slots_(slots) {}
  // Waits for all enqueued work: it may use memory that is released next.
  ~StreamOrder() { drain(); }
  StreamOrder(const StreamOrder&) = delete;
  StreamOrder& operator=(const StreamOrder&) = delete;

  const Stream& copy_in() const { return copy_in_; }
  const Stream& compute() const { return compute_; }
  const Stream& copy_out() const { return copy_out_; }

  // Each piece enqueues into the stream that it is called with. On the device, the batch's images and
  // features are in `slot`. `done` is reached when the host has the features.
  template <typename CopyIn, typename Compute, typename CopyOut>
  void enqueue(std::size_t slot, const CopyIn& copy_in, const Compute& compute,
               const CopyOut& copy_out, Event& done) {
    Slot& events = slots_[slot];
    events.images_read.hold(copy_in_);
    copy_in(copy_in_);
    events.images_copied.record(copy_in_);

    events.images_copied.hold(compute_);
    events.features_copied.hold(compute_);
    compute(compute_);
    events.images_read.record(compute_);

    events.images_read.hold(copy_out_);
    copy_out(copy_out_);
    events.features_copied.record(copy_out_);
    done.record(copy_out_);
  }

  // Waits for all three streams, also when their work fails.
  void drain() noexcept {
    for (const Stream* stream : {&copy_in_, &compute_, &copy_out_}) {
      cudaStreamSynchronize(stream->get());
    }
  }

 private:
  struct Slot {
    Event images_copied, images_read, features_copied;
  };
  Stream copy_in_, compute_, copy_out_;
  std::vector<Slot> slots_;
};

}  // namespace graft::cuda
