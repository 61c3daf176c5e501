#include "bench/harness/figures.h"

#include <algorithm>

#include "bench/harness/statistics.h"

namespace graft::bench {

Figures figures_of(const Measurement& measurement, const Ceilings& ceilings) {
  Figures figures;
  if (measurement.samples.empty()) return figures;
  const double median = summarise(measurement.samples).median;
  figures.median = median;
  if (measurement.samples.size() > 1) figures.noise = noise_of(measurement.samples);

  const Case& what = measurement.what;
  const Cost& cost = what.cost;
  if (what.items > 0.0) figures.items_per_second = what.items / median;
  if (cost.bytes > 0.0) figures.bytes_per_second = cost.bytes / median;
  if (cost.flop > 0.0) figures.flop_per_second = cost.flop / median;

  const auto peak = ceilings.flop_per_second.find(cost.arithmetic);
  const bool has_peak = peak != ceilings.flop_per_second.end() && peak->second > 0.0;
  const bool has_copy = ceilings.bytes_per_second > 0.0;
  if (figures.bytes_per_second && has_copy)
    figures.share_of_copy = *figures.bytes_per_second / ceilings.bytes_per_second;
  if (figures.flop_per_second && has_peak)
    figures.share_of_arithmetic = *figures.flop_per_second / peak->second;
  // The longer time is the larger share. A part without a ceiling might be the longer one.
  const bool all_known =
      figures.bytes_per_second.has_value() == figures.share_of_copy.has_value() &&
      figures.flop_per_second.has_value() == figures.share_of_arithmetic.has_value();
  if (all_known && (figures.share_of_copy || figures.share_of_arithmetic)) {
    figures.share_of_roofline =
        std::max(figures.share_of_copy.value_or(0.0), figures.share_of_arithmetic.value_or(0.0));
  }
  return figures;
}

}  // namespace graft::bench
