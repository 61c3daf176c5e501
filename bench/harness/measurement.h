#pragma once
// What was measured, as values: a Measurement for each case, and a Result for a run of the harness.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/harness/bench_device.h"
#include "bench/harness/case.h"

namespace graft::bench {

// How samples are taken.
struct Method {
  CacheState cache = CacheState::cold;
  double noise = 0.005;  // enough samples: when the standard error of the median is at most
                         // this share of it
  std::size_t least_samples = 20;  // before that is asked
  double seconds = 5.0;            // the most that one case may take, warm-up apart
  double warm_up_seconds = 0.5;
};

enum class Ended {
  settled,      // the noise is below what was asked
  time_cap,     // it is not, and the time is up
  no_times,     // the device gives none: it ran once
  interrupted,  // by a signal
  failed,       // the work threw; Measurement::failure says what
};
std::string_view name_of(Ended ended);

struct Summary {
  double minimum = 0.0, lower_quartile = 0.0, median = 0.0, upper_quartile = 0.0, maximum = 0.0;
  double relative_deviation = 0.0;  // sample standard deviation / mean
};

struct Measurement {
  Case what;
  Ended ended = Ended::no_times;
  std::vector<double> samples;  // seconds of one execution each, in the order of time; kept ones
  std::size_t executions = 1;   // in each sample: short work is timed many at a time
  std::size_t throttled = 0;    // samples thrown away since the device throttled meanwhile
  std::vector<std::pair<std::string, double>> stages;  // medians of Subject::stages()
  // Said beside the figure: "3 samples of 20 wanted", "the device is busy: 2 other processes".
  std::vector<std::string> remarks;
  std::string failure;  // one sentence, with Ended::failed
};

struct BuildIdentity {
  std::string version, commit;  // "0.1.0"; empty: not known
  bool dirty = false;           // the tree had changes
  std::string compiler, build_type;
};

struct Result {
  DeviceIdentity device;
  BuildIdentity build;
  Conditions at_start, at_end;
  Ceilings ceilings;
  Method method;
  std::string date;    // "2026-11-24T23:29:52Z"
  std::string config;  // the effective config, JSON
  bool gives_times = true;
  bool complete = true;  // false: interrupted, what was measured stands
  // Of all of it: "a debug build", "clocks are not locked". Without times the first says why.
  std::vector<std::string> remarks;
  std::vector<Measurement> measurements;
};

}  // namespace graft::bench
