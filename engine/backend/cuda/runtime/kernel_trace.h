#pragma once
// Reports each kernel and each copy to a Tracer: as a span of the host around the call that
// enqueues it and, at TraceDetail::device_times, as a span of the device between two events around
// it. The events are read where the host has waited for the work anyway, or waits for them. One
// event, waited for, places the device's clock on the host's. From then on times are the device's,
// each measured from the batch before, so that a float holds them.
//
//   launch(trace, {"bias_relu", layer, bytes}, [&] { bias_relu(…, stream); });
//
// On a device without a timer (the virtual GPU) the names of the rows say that only the order
// counts.

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <vector>

#include "engine/backend/cuda/runtime/resources.h"
#include "engine/base/trace.h"
#include "kernels/cuda/moved_bytes.h"

namespace graft::cuda {

// A stream with the names of its row, both literals.
struct TracedStream {
  const Stream* stream;
  const char* name;                // "cuda compute"
  const char* name_without_timer;  // "cuda compute (virtual GPU: order, no times)"
};

// A kernel or a copy.
struct TracedWork {
  const char* name;             // literal
  const char* layer = nullptr;  // literal; null: of no layer
  MovedBytes bytes = {};        // that its header promises; none: no promise
  std::size_t stream = 0;       // index in the trace's streams
};

class KernelTrace {
 public:
  KernelTrace() = default;  // without a tracer: launch() only calls the work
  // Waits for the first stream. `tracer` may be null; it and the streams are borrowed. has_timer:
  // Device::has_timer().
  KernelTrace(Tracer* tracer, std::initializer_list<TracedStream> streams, bool has_timer);

  Tracer* tracer() const { return tracer_; }
  // Work that is enqueued from now on belongs to this batch; batches count up from 0. Each piece of
  // work holds two events until its batch is finished.
  void begin_batch(std::uint64_t batch) { batch_ = batch; }
  // Reports the work of this batch and all before it. At TraceDetail::device_times it waits for it.
  void finish(std::uint64_t batch);
  // Of all but the last so many batches.
  void finish_all_but(std::uint64_t last) {
    if (batch_ >= last) finish(batch_ - last);
  }

  // Around the call that enqueues the work.
  class Span {
   public:
    Span(KernelTrace& trace, const TracedWork& work) : trace_(trace) { trace_.open(work); }
    ~Span() { trace_.close(); }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    KernelTrace& trace_;
  };

 private:
  using Time = DeviceSpan::Time;
  struct Row : TracedStream {
    Time last_end;
  };
  struct Record {
    TracedWork work;
    std::uint64_t batch;
    Time enqueued;
    Event begin, end;
    bool is_complete = false;  // `end` was recorded
  };
  void open(const TracedWork& work);
  void close() noexcept;
  Event spare_event();
  void report(const Record& record, Time begin);

  Tracer* tracer_ = nullptr;
  bool times_ = false;  // the tracer wants the device's
  bool has_timer_ = false;
  std::uint64_t batch_ = 0;
  std::vector<Row> rows_;
  std::deque<Record> records_;  // in the order of enqueueing
  std::vector<Event> spare_events_;
  std::unique_ptr<Event> anchor_;  // a point on the device's clock, and its place on the host's
  Time anchor_time_;
};

template <typename Work>
void launch(KernelTrace& trace, const TracedWork& what, const Work& work) {
  if (trace.tracer() == nullptr) return work();
  const KernelTrace::Span span(trace, what);
  work();
}

}  // namespace graft::cuda
