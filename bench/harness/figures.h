#pragma once
// Rates and shares of the ceilings, from the median of a measurement.

#include <optional>

#include "bench/harness/measurement.h"

namespace graft::bench {

// Empty where the case does not count it, or there is no sample or no ceiling. A share can be above
// 1: Winograd multiplies less often than Cost::flop counts, and a cache can hold what Cost::bytes
// counts as memory traffic.
struct Figures {
  std::optional<double> median;  // seconds
  std::optional<double> noise;   // standard error of the median / median
  std::optional<double> items_per_second, bytes_per_second, flop_per_second;
  std::optional<double> share_of_copy;        // of Ceilings::bytes_per_second
  std::optional<double> share_of_arithmetic;  // of Ceilings::flop_per_second
  // Time by the roofline model / measured time. Needs the ceilings of everything that is counted.
  std::optional<double> share_of_roofline;
};

Figures figures_of(const Measurement& measurement, const Ceilings& ceilings);

}  // namespace graft::bench
