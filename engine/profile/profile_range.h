#pragma once
// The range of a run in which the device's profiler records (--profile). Starting and stopping it
// synchronises the device, so that it records all work of the range and no other.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include "engine/backend/backend.h"
#include "engine/base/trace.h"

namespace graft {

// Spans of one name, first … last by their numbers.
struct ProfileRange {
  std::string text;  // as given
  const char* span = nullptr;
  std::uint64_t first = 0, last = 0;
};
// "epoch:2", "epoch:2-4" (from 1, as in the epoch table), "batches:10-20", "batches:3" (of a set of
// photos in the backbone, from 0). Throws Error(usage).
ProfileRange parse_profile_range(const std::string& text);

// A tracer that starts the profiler before the first span of the range and stops it after the last.
// A TeeTracer passes it the spans, and has it before `spans` in its list. The range begins once: in
// the first set of photos that has its batches. Constructed on the thread that computes.
class RangeProfiler final : public Tracer {
 public:
  // `spans`, borrowed, receives a span "profiled" around the range.
  RangeProfiler(ProfileRange range, Tracer& spans)
      : range_(std::move(range)), spans_(spans), thread_(std::this_thread::get_id()) {}

  const std::string& range() const { return range_.text; }
  // Until this call the range is ignored. `device` is borrowed and outlives the last span.
  void use(DeviceProfiler& device) { device_ = &device; }
  // After the run: a warning if it did not record what was asked for.
  std::optional<std::string> warning() const;

  void name_thread(const std::string&) override {}
  void begin(const char* name, std::uint64_t number) noexcept override;
  void end() noexcept override;

 private:
  enum class State { before, inside, after };
  bool is_own_thread() const { return std::this_thread::get_id() == thread_; }
  void start() noexcept;
  void stop() noexcept;

  const ProfileRange range_;
  Tracer& spans_;
  const std::thread::id thread_;
  DeviceProfiler* device_ = nullptr;
  State state_ = State::before;
  std::size_t depth_ = 0;        // of the open spans of thread_
  std::size_t range_depth_ = 0;  // of the spans of the range
  std::uint64_t reached_ = 0;    // the last number that began inside
  bool has_failed_ = false;      // the device's profiler
};

}  // namespace graft
