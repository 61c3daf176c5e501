#pragma once
// Results as values: a Measurement for each case, a Result for a run of the harness.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/harness/bench_device.h"
#include "bench/harness/case.h"
#include "tools/graft/build_identity.h"

namespace graft::bench {

// How samples are taken.
struct Method {
  CacheState cache = CacheState::cold;
  double noise = 0.005;            // stop at this standard error of the median / median
  std::size_t least_samples = 20;  // but not with fewer samples
  double seconds = 5.0;            // time limit of a case, without its warm-up
  double warm_up_seconds = 0.5;
};

enum class Ended {
  settled,      // the noise is as low as requested
  time_cap,     // the noise is higher, and the time limit is reached
  no_timer,     // the device has no timer: it ran once
  interrupted,  // by a signal
  failed,       // the work threw Measurement::failure
};
constexpr std::array<std::string_view, 5> names_of(Ended) {
  return {"settled", "time_cap", "no_timer", "interrupted", "failed"};
}

struct Measurement {
  Case what;
  Ended ended = Ended::no_timer;
  std::vector<double> samples;        // seconds of one execution, in the order of time
  std::size_t executions = 1;         // in each sample: short work is timed many at a time
  std::size_t throttled = 0;          // samples that were discarded because of throttling
  StageShares stages;                 // medians of Subject::stages()
  std::vector<std::string> warnings;  // what makes the figure doubtful: "3 samples of 20 wanted"
  std::string failure;                // one sentence, with Ended::failed
};

using program::BuildIdentity;

struct Result {
  DeviceIdentity device;
  BuildIdentity build;
  Conditions at_start, at_end;
  Ceilings ceilings;
  Method method;
  std::string date;    // "2026-11-24T23:29:52Z"
  std::string config;  // the effective config, JSON
  bool has_timer = true;
  bool complete = true;  // false: interrupted; the measurements so far are valid
  // What makes all figures doubtful: "a debug build". Without a timer the first gives the reason.
  std::vector<std::string> warnings;
  std::vector<Measurement> measurements;
};

}  // namespace graft::bench
