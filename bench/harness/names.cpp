// Names of the harness enumerators, as cases, files and tables write them.

#include <array>
#include <string_view>

#include "bench/harness/bench_device.h"
#include "bench/harness/case.h"
#include "bench/harness/measurement.h"

namespace graft::bench {

std::string_view name_of(Suite suite) {
  constexpr std::array<std::string_view, all_suites.size()> names = {
      "kernels", "layers", "backbone", "head", "pipeline"};
  return names.at(static_cast<std::size_t>(suite));
}

std::string_view name_of(Clock clock) {
  return clock == Clock::device ? "device" : "host";
}

std::string_view name_of(CacheState cache) {
  return cache == CacheState::cold ? "cold" : "hot";
}

std::string_view name_of(Ended ended) {
  constexpr std::array<std::string_view, 5> names = {"settled", "time_cap", "no_timer",
                                                     "interrupted", "failed"};
  return names.at(static_cast<std::size_t>(ended));
}

}  // namespace graft::bench
