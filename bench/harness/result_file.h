#pragma once
// A Result as text: JSON to keep, a table for a terminal. Independent of the locale.

#include <string>
#include <string_view>

#include "bench/harness/measurement.h"

namespace graft::bench {

// docs/benchmark_results.md documents the format; bench/compare.py and bench/plot.py read it.
inline constexpr std::string_view result_schema = "graft-bench/2";

// One line for each key and each measurement. Throws Error(usage), with the key, for a number that
// is not finite: JSON has none.
std::string result_json(const Result& result);

// The device and method, a table for each suite, and the warnings next to their figures.
std::string result_table(const Result& result);

}  // namespace graft::bench
