#pragma once
// Tells a Tracer of each kernel and each copy: as a span of the host around the call that starts
// it, and, for one that wants the device's times, as a span of the device by two events around it.
// Those are read when somebody has waited for the work. One event, reached while the host waits for
// it, places the device's clock on the host's; from then on times are the device's own, each
// measured from the batch before, so that a float holds them.
//
// A device that gives no times (the virtual GPU) says in the rows' names that only the order
// counts.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/backend/cuda/resources.h"
#include "engine/base/trace.h"

namespace graft::cuda {

// The queue that work goes through.
enum class Queue { copy_in, compute, copy_out, head };
// "cuda copy in", …
const char* name_of(Queue queue);

struct TracedWork {
  Queue queue = Queue::compute;
  const char* name = nullptr;   // literal
  const char* layer = nullptr;  // literal; null: of none
  std::uint64_t bytes = 0;      // that it promises to move; 0: it promises nothing
};

class KernelTrace {
 public:
  // Waits for `stream`. `tracer` is borrowed. gives_times: Device::gives_times().
  KernelTrace(Tracer& tracer, const Stream& stream, bool gives_times);

  Tracer* tracer() const { return &tracer_; }
  // What is enqueued from now on belongs to this batch; they count up. Two events for each piece of
  // work are kept until its batch is finished.
  void begin_batch(std::uint64_t batch) { batch_ = batch; }
  // This batch and all before it are done: tells of their work.
  void finish(std::uint64_t batch);

  // Around what enqueues one piece of work. With a null trace it does nothing.
  class Span {
   public:
    Span(KernelTrace* trace, const Stream& stream, const TracedWork& work);
    ~Span();
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    KernelTrace* const trace_;
    const Stream& stream_;
  };

 private:
  using Time = DeviceSpan::Time;
  struct Record {
    TracedWork work;
    std::uint64_t batch;
    Time enqueued;
    Event begin, end;
    bool is_whole = false;  // `end` was recorded
  };
  void open(const Stream& stream, const TracedWork& work);
  void close(const Stream& stream) noexcept;
  Event spare_event();
  void tell(const Record& record, Time begin);

  Tracer& tracer_;
  const bool times_;  // wanted
  const bool gives_times_;
  std::uint64_t batch_ = 0;
  std::deque<Record> records_;  // as they were enqueued
  std::vector<Event> spare_events_;
  std::optional<Event> anchor_;  // a point on the device's clock, and its place on the host's
  Time anchor_time_;
  std::map<Queue, Time> last_end_;
};

}  // namespace graft::cuda
