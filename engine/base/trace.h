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
#include <vector>

namespace graft {

// Called from any thread. The spans of a thread nest: `end` ends the one that began last there.
class Tracer {
 public:
  virtual ~Tracer() = default;
  // What the calling thread is called from now on, in UTF-8. No two threads that live at once have
  // the same name; one that follows another may.
  virtual void name_thread(const std::string& name) = 0;
  // `name` is a literal, without '"' and '\\': it is kept as it is. `number` says which of many: an
  // image, a batch.
  virtual void begin(const char* name, std::uint64_t number) noexcept = 0;
  virtual void end() noexcept = 0;
};

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

// Keeps the spans in memory, 32 bytes for each end of one, and writes them in the trace event
// format of Chromium, which chrome://tracing and Perfetto show: a row for each thread. Where memory
// for a span runs out, it and all later ones are left out.
class ChromeTrace final : public Tracer {
 public:
  ChromeTrace() = default;

  void name_thread(const std::string& name) override;
  void begin(const char* name, std::uint64_t number) noexcept override;
  void end() noexcept override;

  // What was recorded so far. A span that has not ended is left out.
  std::string json() const;
  // json() in a file that is whole or absent. Throws Error(io).
  void write(const std::filesystem::path& path) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Event {
    const char* name;  // null: the end of the row's last span
    std::uint64_t number;
    Clock::duration when;  // since the trace began
    std::size_t row;
  };
  void add(const char* name, std::uint64_t number) noexcept;
  std::size_t row_of_name(const std::string& name);
  std::size_t row_of_this_thread();

  const Clock::time_point start_ = Clock::now();
  mutable std::mutex mutex_;  // guards all below
  std::vector<Event> events_;
  std::vector<std::string> rows_;  // their names
  std::map<std::thread::id, std::size_t> threads_;
  bool full_ = false;
};

}  // namespace graft
