#pragma once
// What follows from a measurement's median: rates, and shares of what the device reaches at best.

#include <optional>

#include "bench/harness/measurement.h"

namespace graft::bench {

// Empty where the case does not count it, nothing was measured, or the ceiling is not known. A
// share may be above 1: Winograd's algorithm multiplies less often than the definition, which is
// what Cost::flop counts, and a cache may hold what counts as read from memory.
struct Figures {
  std::optional<double> median;  // seconds
  std::optional<double> noise;   // standard error of the median, as a share of it
  std::optional<double> items_per_second, bytes_per_second, flop_per_second;
  std::optional<double> share_of_copy;        // of Ceilings::bytes_per_second
  std::optional<double> share_of_arithmetic;  // of Ceilings::flop_per_second
  // The roofline's time over the time: the longer of bytes at the copy's rate and flop at the
  // arithmetic's. Only where the ceilings of all that the case counts are known.
  std::optional<double> share_of_roofline;
};

Figures figures_of(const Measurement& measurement, const Ceilings& ceilings);

}  // namespace graft::bench
