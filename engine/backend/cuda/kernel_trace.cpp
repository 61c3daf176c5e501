#include "engine/backend/cuda/kernel_trace.h"

#include <algorithm>
#include <chrono>

namespace graft::cuda {
namespace {

const char* row_of(Queue queue, bool gives_times) {
  if (gives_times) return name_of(queue);
  switch (queue) {
    case Queue::copy_in:
      return "cuda copy in (virtual GPU: order, no times)";
    case Queue::compute:
      return "cuda compute (virtual GPU: order, no times)";
    case Queue::copy_out:
      return "cuda copy out (virtual GPU: order, no times)";
    case Queue::head:
      return "cuda head (virtual GPU: order, no times)";
  }
  return "";
}

std::chrono::nanoseconds between(const Event& from, const Event& to) {
  float milliseconds = 0.0F;
  GRAFT_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, from.get(), to.get()));
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double, std::milli>(milliseconds));
}

}  // namespace

const char* name_of(Queue queue) {
  switch (queue) {
    case Queue::copy_in:
      return "cuda copy in";
    case Queue::compute:
      return "cuda compute";
    case Queue::copy_out:
      return "cuda copy out";
    case Queue::head:
      return "cuda head";
  }
  return "";
}

KernelTrace::KernelTrace(Tracer& tracer, const Stream& stream, bool gives_times)
    : tracer_(tracer),
      times_(tracer.detail() >= TraceDetail::device_times),
      gives_times_(gives_times) {
  if (!times_) return;
  stream.wait();
  anchor_.emplace(Event::Timing::on);
  anchor_->record(stream);
  anchor_->wait();
  anchor_time_ = Time::clock::now();
}

void KernelTrace::finish(std::uint64_t batch) {
  bool first = true;
  while (!records_.empty() && records_.front().batch <= batch) {
    Record record = std::move(records_.front());
    records_.pop_front();
    if (record.is_whole) {
      if (first) {
        anchor_time_ += between(*anchor_, record.begin);
        std::swap(*anchor_, record.begin);
      }
      const Event& begin = first ? *anchor_ : record.begin;
      first = false;
      tell(record, anchor_time_ + between(*anchor_, begin));
    }
    spare_events_.push_back(std::move(record.begin));
    spare_events_.push_back(std::move(record.end));
  }
}

// The rounding of two batches' times may differ by some nanoseconds: a row stays in order.
void KernelTrace::tell(const Record& record, Time begin) {
  DeviceSpan span;
  span.row = row_of(record.work.queue, gives_times_);
  span.name = record.work.name;
  span.layer = record.work.layer;
  span.batch = record.batch;
  span.bytes = record.work.bytes;
  span.enqueued = record.enqueued;
  Time& last_end = last_end_[record.work.queue];
  span.begin = std::max(begin, last_end);
  span.end = std::max(anchor_time_ + between(*anchor_, record.end), span.begin);
  last_end = span.end;
  tracer_.device_span(span);
}

KernelTrace::Span::Span(KernelTrace* trace, const Stream& stream, const TracedWork& work)
    : trace_(trace), stream_(stream) {
  if (trace_ != nullptr) trace_->open(stream_, work);
}

KernelTrace::Span::~Span() {
  if (trace_ != nullptr) trace_->close(stream_);
}

void KernelTrace::open(const Stream& stream, const TracedWork& work) {
  if (times_) {
    Record& record = records_.emplace_back(
        Record{work, batch_, Time::clock::now(), spare_event(), spare_event()});
    record.begin.record(stream);
  }
  tracer_.begin(work.name, batch_);
}

// Without its end a record is passed over.
void KernelTrace::close(const Stream& stream) noexcept {
  tracer_.end();
  if (!times_) return;
  Record& record = records_.back();
  const cudaError_t code = cudaEventRecord(record.end.get(), stream.get());
  record.is_whole = code == cudaSuccess;
  ignore(code);
}

Event KernelTrace::spare_event() {
  if (spare_events_.empty()) return Event(Event::Timing::on);
  Event event = std::move(spare_events_.back());
  spare_events_.pop_back();
  return event;
}

}  // namespace graft::cuda
