#pragma once
// Tracing: spans of work, each on its thread. The engine marks them; the program chooses the tracer
// (a file for a trace viewer, a profiler). Without a tracer, a span costs one branch.
//
//   TraceSpan span(tracer, "decode", image);   // until the end of the block

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace graft {

// What a tracer receives.
enum class TraceDetail {
  stages,        // the engine's work: photos, batches, epochs
  kernels,       // and each layer and kernel, as the host starts it
  device_times,  // and when the device ran each, by its own clock
};

// Work of a device, reported after it has ended.
struct DeviceSpan {
  using Time = std::chrono::steady_clock::time_point;
  const char* row = nullptr;    // literal: its queue, "cuda compute"
  const char* name = nullptr;   // literal: the kernel
  const char* layer = nullptr;  // literal: block1_conv1; or null
  std::uint64_t batch = 0;      // from 0, in the order of submission
  std::uint64_t bytes = 0;      // that its header says it moves; 0: not stated
  Time enqueued;                // by the host
  Time begin, end;              // of the device, on the host's clock; disjoint within a row
};

// Called from any thread. The spans of a thread nest: `end` ends its latest one.
class Tracer {
 public:
  virtual ~Tracer() = default;
  virtual TraceDetail detail() const noexcept { return TraceDetail::stages; }
  // Names the calling thread, in UTF-8. Threads that live at once have different names.
  virtual void name_thread(const std::string& name) = 0;
  // `name` is a literal without '"' and '\\'; the pointer is kept. `number` is that of an image or
  // batch.
  virtual void begin(const char* name, std::uint64_t number) noexcept = 0;
  virtual void end() noexcept = 0;
  // The counter `name`, a literal, has this value from now on.
  virtual void count(const char* /*name*/, std::uint64_t /*value*/) noexcept {}
  virtual void device_span(const DeviceSpan& /*span*/) noexcept {}
  // `queue` is the device's handle (a CUDA stream).
  virtual void name_queue(void* /*queue*/, const char* /*name*/) noexcept {}
};

// `tracer`, if it receives this much; else null.
inline Tracer* listening(Tracer* tracer, TraceDetail detail) {
  return tracer != nullptr && tracer->detail() >= detail ? tracer : nullptr;
}

class TraceSpan {
 public:
  TraceSpan(Tracer* tracer, const char* name, std::uint64_t number = 0) : tracer_(tracer) {
    if (tracer_ != nullptr) tracer_->begin(name, number);
  }
  ~TraceSpan() {
    if (tracer_ != nullptr) tracer_->end();
  }
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

 private:
  Tracer* tracer_;
};

// The length of a queue. Reports each change in order. Called from any thread.
class TraceCounter {
 public:
  TraceCounter(Tracer* tracer, const char* name) : tracer_(tracer), name_(name) {}
  void more() noexcept {
    if (tracer_ != nullptr) change(1);
  }
  void fewer() noexcept {
    if (tracer_ != nullptr) change(std::uint64_t(0) - 1);
  }

 private:
  void change(std::uint64_t by) noexcept {
    const std::lock_guard lock(mutex_);
    tracer_->count(name_, value_ += by);
  }
  Tracer* tracer_;
  const char* name_;
  std::mutex mutex_;
  std::uint64_t value_ = 0;
};

// Passes everything to several borrowed tracers. Spans end in the reverse order of the tracers.
class TeeTracer final : public Tracer {
 public:
  explicit TeeTracer(std::vector<Tracer*> to) : to_(std::move(to)) {}
  TraceDetail detail() const noexcept override {
    TraceDetail finest = TraceDetail::stages;
    for (const Tracer* tracer : to_) finest = std::max(finest, tracer->detail());
    return finest;
  }
  void name_thread(const std::string& name) override {
    for (Tracer* tracer : to_) tracer->name_thread(name);
  }
  void begin(const char* name, std::uint64_t number) noexcept override {
    for (Tracer* tracer : to_) tracer->begin(name, number);
  }
  void end() noexcept override {
    for (auto tracer = to_.rbegin(); tracer != to_.rend(); ++tracer) (*tracer)->end();
  }
  void count(const char* name, std::uint64_t value) noexcept override {
    for (Tracer* tracer : to_) tracer->count(name, value);
  }
  void device_span(const DeviceSpan& span) noexcept override {
    for (Tracer* tracer : to_) tracer->device_span(span);
  }
  void name_queue(void* queue, const char* name) noexcept override {
    for (Tracer* tracer : to_) tracer->name_queue(queue, name);
  }

 private:
  const std::vector<Tracer*> to_;
};

// Trace in Chromium's trace event format, for chrome://tracing and Perfetto: one row for each thread
// and each device queue. Takes 64 bytes of memory a span. When memory runs out, it drops what
// follows.
class ChromeTrace final : public Tracer {
 public:
  ChromeTrace() = default;

  TraceDetail detail() const noexcept override { return TraceDetail::device_times; }
  void name_thread(const std::string& name) override;
  void begin(const char* name, std::uint64_t number) noexcept override { add(name, number); }
  void end() noexcept override { add(nullptr, 0); }
  void count(const char* name, std::uint64_t value) noexcept override { add(name, value, true); }
  void device_span(const DeviceSpan& span) noexcept override;

  // What was recorded so far, without spans that have not ended.
  std::string json() const;
  // json() in a file that is complete or absent. Throws Error(io).
  void write(const std::filesystem::path& path) const;

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t no_row = ~std::size_t(0);  // of a count
  struct Event {
    const char* name;  // null: the end of the row's last span
    std::uint64_t number;
    Clock::duration when;  // since the trace began
    std::size_t row;
  };
  void add(const char* name, std::uint64_t number, bool is_count = false) noexcept;
  std::size_t row_of_name(const std::string& name);
  std::size_t row_of_this_thread();

  const Clock::time_point start_ = Clock::now();
  mutable std::mutex mutex_;  // guards everything below
  std::vector<Event> events_;
  std::vector<DeviceSpan> device_spans_;
  std::vector<std::string> rows_;  // their names
  std::map<std::thread::id, std::size_t> threads_;
  bool full_ = false;
};

}  // namespace graft
