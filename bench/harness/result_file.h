#pragma once
// A Result as text: JSON to keep, a table for a terminal. Independent of the locale.

#include <optional>
#include <string>
#include <string_view>

#include "bench/harness/measurement.h"

namespace graft::bench {

// docs/benchmark_results.md documents the format; bench/compare.py and bench/plot.py read it.
inline constexpr std::string_view result_schema = "graft-bench/2";

// One line for each key and each measurement. Throws Error(usage), with the key, for a number that
// is not finite: JSON has none.
std::string result_json(const Result& result);

// Rates and shares of the ceilings, from the median of a measurement.
// Empty where the case does not count it, or there is no sample or no ceiling. A share can be above
// 1: Winograd multiplies less often than Cost::flop counts, and a cache can hold what Cost::bytes
// counts as memory traffic.
struct Figures {
  std::optional<double> items_per_second, bytes_per_second, flop_per_second;
  std::optional<double> share_of_copy;        // of Ceilings::bytes_per_second
  std::optional<double> share_of_arithmetic;  // of Ceilings::flop_per_second
  // Time by the roofline model / measured time. Needs the ceilings of everything that is counted.
  std::optional<double> share_of_roofline;
};

Figures figures_of(const Measurement& measurement, const Ceilings& ceilings);

// The device and method, a table for each suite, and the warnings next to their figures.
std::string result_table(const Result& result);

}  // namespace graft::bench
