// The words of the harness' values, as names of cases, files and tables write them.

#include <string_view>

#include "bench/harness/bench_device.h"
#include "bench/harness/case.h"
#include "bench/harness/measurement.h"

namespace graft::bench {

std::string_view name_of(Suite suite) {
  switch (suite) {
    case Suite::kernels:
      return "kernels";
    case Suite::layers:
      return "layers";
    case Suite::backbone:
      return "backbone";
    case Suite::head:
      return "head";
    case Suite::pipeline:
      return "pipeline";
  }
  return "";
}

std::string_view name_of(Clock clock) {
  return clock == Clock::device ? "device" : "host";
}

std::string_view name_of(CacheState cache) {
  return cache == CacheState::cold ? "cold" : "hot";
}

std::string_view name_of(Ended ended) {
  switch (ended) {
    case Ended::settled:
      return "settled";
    case Ended::time_cap:
      return "time_cap";
    case Ended::no_times:
      return "no_times";
    case Ended::interrupted:
      return "interrupted";
    case Ended::failed:
      return "failed";
  }
  return "";
}

}  // namespace graft::bench
