#pragma once
// Measures cases on a device, one after the other:
//
//   ceilings ─► for each case: prepare ─► warm up ─► sample … ─► after_each(result so far)
//
// A sample is one execution with cold caches, or as many hot ones as the clock needs. The device's
// conditions are read around windows of samples; a window in which it throttled is thrown away, the
// device is let alone for a moment, and counted. A device that throttles all the time is measured
// like that, and the result says so.

#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "bench/harness/bench_device.h"
#include "bench/harness/case.h"
#include "bench/harness/measurement.h"

namespace graft::bench {

// By which warming up, the time cap and the windows are counted. Samples bring times of their own.
class TimeSource {
 public:
  virtual ~TimeSource() = default;
  virtual double now() = 0;  // seconds since any moment
  virtual void pause(double seconds) = 0;
};

class SteadyTime final : public TimeSource {
 public:
  double now() override;
  void pause(double seconds) override;
};

// Beside each case at which it was seen, and beside all of them.
inline constexpr std::string_view free_clocks_remark = "clocks are not locked";
// "the device is busy: 2 other processes"
std::string busy_remark(std::size_t other_processes);

// What a result says of itself that the device does not know.
struct About {
  BuildIdentity build;
  std::string config;  // the effective config, JSON; empty: there is none
  std::string date;    // "2026-11-24T23:29:52Z"; empty: now
};

// A case that throws ends as failed with its sentence, and one that is stopped as interrupted with
// the samples that it has: nothing is thrown but Error(usage), for a method that cannot end.
Measurement measure(BenchDevice& device, const Case& which, const Method& method,
                    std::stop_token stop);
Measurement measure(BenchDevice& device, const Case& which, const Method& method,
                    std::stop_token stop, TimeSource& time);

// `after_each` gets the result before the first case and after every one, as a file may keep it:
// complete is false there until the last case has ended. What `after_each` throws ends the run. Ceilings that cannot be
// measured become a remark. Throws Error of identity() too.
Result run(BenchDevice& device, std::span<const Case> cases, const Method& method,
           const std::function<void(const Result&)>& after_each, std::stop_token stop,
           const About& about = {});
Result run(BenchDevice& device, std::span<const Case> cases, const Method& method,
           const std::function<void(const Result&)>& after_each, std::stop_token stop,
           const About& about, TimeSource& time);

}  // namespace graft::bench
