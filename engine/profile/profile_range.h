#pragma once
// The part of a run that a profiler of the device is to record: it is started before the first span
// of the range and stopped after the last, and both wait for the device, so that it sees all work
// of that part and none of another.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "engine/backend/backend.h"
#include "engine/base/trace.h"

namespace graft {

// Spans of one name, first … last by their numbers.
struct ProfileRange {
  std::string text;  // as it was given
  const char* span = nullptr;
  std::uint64_t first = 0, last = 0;
};
// "epoch:2", "epoch:2-4" (from 1, as the table of a training counts them), "batches:10-20",
// "batches:3" (of a set of photos in the backbone, from 0). Throws Error(usage) with a sentence.
ProfileRange parse_profile_range(const std::string& text);

// Listens for the range and passes all that it hears to `next`, borrowed, which may be null. Around
// the range it tells it a span "profiled". The range begins once: in the first set of photos that
// has its batches. Made on the thread that computes the batches and epochs.
class RangeProfiler final : public Tracer {
 public:
  RangeProfiler(ProfileRange range, Tracer* next)
      : range_(std::move(range)), next_(next), thread_(std::this_thread::get_id()) {}

  const std::string& range() const { return range_.text; }
  // Before that the range is passed over. `device` is borrowed and outlives the last span.
  void use(DeviceProfiler& device) { device_ = &device; }
  // What was not as asked, in a sentence for the user, once the run has ended.
  std::optional<std::string> remark() const;

  TraceDetail detail() const noexcept override;
  void name_thread(const std::string& name) override;
  void begin(const char* name, std::uint64_t number) noexcept override;
  void end() noexcept override;
  void count(const char* name, std::uint64_t value) noexcept override;
  void device_span(const DeviceSpan& span) noexcept override;
  void name_queue(void* queue, const char* name) noexcept override;

 private:
  enum class State { before, inside, inside_last, after };
  bool is_inside() const { return state_ == State::inside || state_ == State::inside_last; }
  void start() noexcept;
  void stop() noexcept;

  const ProfileRange range_;
  Tracer* const next_;
  const std::thread::id thread_;
  DeviceProfiler* device_ = nullptr;
  State state_ = State::before;
  std::size_t depth_ = 0;        // of the spans of thread_
  std::size_t range_depth_ = 0;  // of those of the range
  std::uint64_t reached_ = 0;    // the last number that began inside
  bool refused_ = false;         // by the device
};

}  // namespace graft
