#pragma once
// Where the time of a run goes: spans of work, each on the thread that does it. The engine marks
// them; who listens (a file for a trace viewer, a profiler) is decided by the program. Nobody
// listening costs one comparison a span.
//
//   TraceSpan span(tracer, "decode", image);   // until the end of the block

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace graft {

// How finely somebody wants to be told.
enum class TraceDetail {
  stages,        // what the engine does: photos, batches, epochs
  kernels,       // and each layer and kernel, as the host starts it
  device_times,  // and what the device did when, by its own clock
};

// Work of a device, told when it is done.
struct DeviceSpan {
  using Time = std::chrono::steady_clock::time_point;
  const char* row = nullptr;    // literal: the queue that it went through, "cuda compute"
  const char* name = nullptr;   // literal: the kernel
  const char* layer = nullptr;  // literal: block1_conv1; null: of none
  std::uint64_t batch = 0;      // from 0, in the order in which they were given to the device
  std::uint64_t bytes = 0;      // that it promises to move; 0: it promises nothing
  Time enqueued;                // by the host
  Time begin, end;  // the device's, placed on the host's clock. Within a row they do not overlap.
};

// Called from any thread. The spans of a thread nest: `end` ends the one that began last there.
class Tracer {
 public:
  virtual ~Tracer() = default;
  virtual TraceDetail detail() const noexcept { return TraceDetail::stages; }
  // What the calling thread is called from now on, in UTF-8. No two threads that live at once have
  // the same name; one that follows another may.
  virtual void name_thread(const std::string& name) = 0;
  // `name` is a literal, without '"' and '\\': it is kept as it is. `number` says which of many: an
  // image, a batch.
  virtual void begin(const char* name, std::uint64_t number) noexcept = 0;
  virtual void end() noexcept = 0;
  // How many there are from now on of what `name`, a literal, counts.
  virtual void count(const char* /*name*/, std::uint64_t /*value*/) noexcept {}
  virtual void device_span(const DeviceSpan& /*span*/) noexcept {}
  // `queue` is the device's handle of a queue of work (a CUDA stream).
  virtual void name_queue(void* /*queue*/, const char* /*name*/) noexcept {}
};

// `tracer`, if it wants to be told as finely as that; else null.
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

// The length of a queue: each change is told, in the order of the changes. From any thread.
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

// Passes all to several, borrowed. What begins last at one of them ends first there.
class TeeTracer final : public Tracer {
 public:
  explicit TeeTracer(std::vector<Tracer*> to) : to_(std::move(to)) {}
  TraceDetail detail() const noexcept override;
  void name_thread(const std::string& name) override;
  void begin(const char* name, std::uint64_t number) noexcept override;
  void end() noexcept override;
  void count(const char* name, std::uint64_t value) noexcept override;
  void device_span(const DeviceSpan& span) noexcept override;
  void name_queue(void* queue, const char* name) noexcept override;

 private:
  const std::vector<Tracer*> to_;
};

// Keeps the spans in memory, 32 bytes for each end of one and for each count, 64 for one of a
// device, and writes them in the trace event format of Chromium, which chrome://tracing and
// Perfetto show: a row for each thread and for each of a device's queues. Where memory runs out,
// what would come next is left out.
class ChromeTrace final : public Tracer {
 public:
  ChromeTrace() = default;

  TraceDetail detail() const noexcept override { return TraceDetail::device_times; }
  void name_thread(const std::string& name) override;
  void begin(const char* name, std::uint64_t number) noexcept override;
  void end() noexcept override;
  void count(const char* name, std::uint64_t value) noexcept override;
  void device_span(const DeviceSpan& span) noexcept override;

  // What was recorded so far. A span that has not ended is left out.
  std::string json() const;
  // json() in a file that is whole or absent. Throws Error(io).
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
  template <typename Row>
  void add(const char* name, std::uint64_t number, const Row& row) noexcept;
  std::size_t row_of_name(const std::string& name);
  std::size_t row_of_this_thread();

  const Clock::time_point start_ = Clock::now();
  mutable std::mutex mutex_;  // guards all below
  std::vector<Event> events_;
  std::vector<DeviceSpan> device_spans_;
  std::vector<std::string> rows_;  // their names
  std::map<std::thread::id, std::size_t> threads_;
  bool full_ = false;
};

}  // namespace graft
