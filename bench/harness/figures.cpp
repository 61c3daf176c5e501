#include "bench/harness/figures.h"

#include <algorithm>
#include <cmath>

#include "bench/harness/statistics.h"

namespace graft::bench {
namespace {

// Empty where it is not a positive finite number.
std::optional<double> quotient(double numerator, double denominator) {
  const double value = numerator / denominator;
  return numerator > 0.0 && denominator > 0.0 && std::isfinite(value) ? std::optional(value)
                                                                      : std::nullopt;
}

std::optional<double> quotient(const std::optional<double>& numerator, double denominator) {
  return numerator ? quotient(*numerator, denominator) : std::nullopt;
}

}  // namespace

Figures figures_of(const Measurement& measurement, const Ceilings& ceilings) {
  Figures figures;
  if (measurement.samples.empty()) return figures;
  const double median = summarise(measurement.samples).median;
  figures.median = median;
  const double noise = noise_of(measurement.samples);
  if (std::isfinite(noise)) figures.noise = noise;

  const Case& what = measurement.what;
  const Cost& cost = what.cost;
  figures.items_per_second = quotient(what.items, median);
  figures.bytes_per_second = quotient(cost.bytes, median);
  figures.flop_per_second = quotient(cost.flop, median);
  const auto peak = ceilings.flop_per_second.find(cost.arithmetic);
  figures.share_of_copy = quotient(figures.bytes_per_second, ceilings.bytes_per_second);
  if (peak != ceilings.flop_per_second.end())
    figures.share_of_arithmetic = quotient(figures.flop_per_second, peak->second);
  // A part without a ceiling could be the slower one.
  const bool all_known = (cost.bytes > 0.0) == figures.share_of_copy.has_value() &&
                         (cost.flop > 0.0) == figures.share_of_arithmetic.has_value();
  if (all_known && (figures.share_of_copy || figures.share_of_arithmetic)) {
    figures.share_of_roofline =
        std::max(figures.share_of_copy.value_or(0.0), figures.share_of_arithmetic.value_or(0.0));
  }
  return figures;
}

}  // namespace graft::bench
