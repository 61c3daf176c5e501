#pragma once
// Measures cases on a device, one after the other:
//
//   ceilings ─► for each case: prepare ─► warm up ─► sample … ─► after_each(result so far)
//
// A sample is one execution with cold caches, as many hot ones as the clock needs, or a sequence of
// executions that follow each other in use (Case::sequence). Samples are taken in windows of 50 ms,
// and the conditions are read before and after each. The samples of a window with throttling are
// discarded and counted, and the device rests for a moment. After half of the time limit, samples
// are kept despite throttling, with a warning. So are samples at the power cap at any time.

#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "bench/harness/bench_device.h"
#include "bench/harness/case.h"
#include "bench/harness/measurement.h"

namespace graft::bench {

// The steady clock, for warm-up, time limit and windows. Tests replace it.
class TimeSource {
 public:
  virtual ~TimeSource() = default;
  virtual double now();  // seconds, from an arbitrary start
  virtual void pause(double seconds);
};

// Warnings of a case and of the whole result.
inline constexpr std::string_view free_clocks_warning = "clocks are not locked";
inline constexpr std::string_view power_cap_warning = "the power cap held the clocks";
inline constexpr std::string_view waiting_launches_warning =
    "its launches wait for their kernels, for a profiler";
// "the device is busy: 2 other processes"
std::string busy_warning(std::size_t other_processes);

// The part of a result that the device does not know.
struct About {
  BuildIdentity build;
  std::string config;  // the effective config, JSON; empty: none
};

// Errors of the case end it as failed, with their sentence. A stop ends it as interrupted, and its
// samples are kept. `method` has passed check_method() (statistics.h).
Measurement measure(BenchDevice& device, const Case& which, const Method& method,
                    std::stop_token stop, TimeSource& time);

// Calls `after_each` before the first case and after each one, with the result so far, for a file
// that is always valid: `complete` is false until the last case has ended. Ceilings that cannot be
// measured become a warning. Throws what identity() and `after_each` throw.
Result run(BenchDevice& device, std::span<const Case> cases, const Method& method,
           const std::function<void(const Result&)>& after_each, std::stop_token stop,
           const About& about, TimeSource& time);

}  // namespace graft::bench
