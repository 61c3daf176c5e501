#pragma once
// The order in which a batch's three pieces of work run, and all that keeps it: each piece has a
// stream of its own, so that the copies of two batches run beside the computation of a third, and
// waits for events only. The host waits for nothing.
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
  // Waits for all that was enqueued: it may use memory that goes next.
  ~StreamOrder() { drain(); }
  StreamOrder(const StreamOrder&) = delete;
  StreamOrder& operator=(const StreamOrder&) = delete;

  const Stream& copy_in() const { return copy_in_; }
  const Stream& compute() const { return compute_; }
  const Stream& copy_out() const { return copy_out_; }

  // Each piece enqueues into the stream that it is called with; images and features of the batch
  // stand in `slot` on the device. `done` is reached when the features are with the host.
  template <typename CopyIn, typename Compute, typename CopyOut>
  void enqueue(std::size_t slot, const CopyIn& copy_in, const Compute& compute,
               const CopyOut& copy_out, Event& done) {
    Slot& events = slots_[slot];
    events.images_read.hold(copy_in_);
    copy_in(copy_in_);
    events.images_there.record(copy_in_);

    events.images_there.hold(compute_);
    events.features_copied.hold(compute_);
    compute(compute_);
    events.images_read.record(compute_);

    events.images_read.hold(copy_out_);
    copy_out(copy_out_);
    events.features_copied.record(copy_out_);
    done.record(copy_out_);
  }

  // Waits for all three streams, whatever becomes of their work.
  void drain() noexcept {
    for (const Stream* stream : {&copy_in_, &compute_, &copy_out_}) {
      cudaStreamSynchronize(stream->get());
    }
  }

 private:
  struct Slot {
    Event images_there, images_read, features_copied;
  };
  Stream copy_in_, compute_, copy_out_;
  std::vector<Slot> slots_;
};

}  // namespace graft::cuda
