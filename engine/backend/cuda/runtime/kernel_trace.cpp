#include "engine/backend/cuda/runtime/kernel_trace.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace graft::cuda {
namespace {

std::chrono::nanoseconds between(const Event& from, const Event& to) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double, std::milli>(to.milliseconds_since(from)));
}

}  // namespace

KernelTrace::KernelTrace(Tracer* tracer, std::initializer_list<TracedStream> streams,
                         bool has_timer)
    : tracer_(tracer), has_timer_(has_timer) {
  if (tracer == nullptr) return;
  times_ = tracer->detail() >= TraceDetail::device_times;
  for (const TracedStream& row : streams) {
    tracer->name_queue(row.stream->get(), row.name);
    rows_.push_back({row, {}});
  }
  if (!times_) return;
  const Stream& first = *rows_.front().stream;
  first.wait();
  anchor_ = std::make_unique<Event>(Event::Timing::on);
  anchor_->record(first);
  anchor_->wait();
  anchor_time_ = Time::clock::now();
}

void KernelTrace::finish(std::uint64_t batch) {
  bool is_first = true;
  while (!records_.empty() && records_.front().batch <= batch) {
    Record record = std::move(records_.front());
    records_.pop_front();
    if (record.is_complete) {
      record.end.wait();
      if (is_first) {
        anchor_time_ += between(*anchor_, record.begin);
        std::swap(*anchor_, record.begin);
      }
      const Event& begin = is_first ? *anchor_ : record.begin;
      is_first = false;
      report(record, anchor_time_ + between(*anchor_, begin));
    }
    spare_events_.push_back(std::move(record.begin));
    spare_events_.push_back(std::move(record.end));
  }
}

// The rounding of two batches' times may differ by some nanoseconds: a row stays in order.
void KernelTrace::report(const Record& record, Time begin) {
  Row& row = rows_[record.work.stream];
  DeviceSpan span;
  span.row = has_timer_ ? row.name : row.name_without_timer;
  span.name = record.work.name;
  span.layer = record.work.layer;
  span.batch = record.batch;
  span.bytes = record.work.bytes.total();
  span.enqueued = record.enqueued;
  span.begin = std::max(begin, row.last_end);
  span.end = std::max(anchor_time_ + between(*anchor_, record.end), span.begin);
  row.last_end = span.end;
  tracer_->device_span(span);
}

void KernelTrace::open(const TracedWork& work) {
  if (times_) {
    Record& record = records_.emplace_back(
        Record{work, batch_, Time::clock::now(), spare_event(), spare_event()});
    record.begin.record(*rows_[work.stream].stream);
  }
  tracer_->begin(work.name, batch_);
}

// A record without its end is skipped.
void KernelTrace::close() noexcept {
  tracer_->end();
  if (!times_) return;
  Record& record = records_.back();
  const Stream& stream = *rows_[record.work.stream].stream;
  const cudaError_t code = cudaEventRecord(record.end.get(), stream.get());
  record.is_complete = code == cudaSuccess;
  ignore(code);
}

Event KernelTrace::spare_event() {
  if (spare_events_.empty()) return Event(Event::Timing::on);
  Event event = std::move(spare_events_.back());
  spare_events_.pop_back();
  return event;
}

}  // namespace graft::cuda
