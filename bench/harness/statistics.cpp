#include "bench/harness/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/base/error.h"

namespace graft::bench {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double relative_deviation(std::span<const double> samples) {
  if (samples.size() < 2) return 0.0;
  const auto count = static_cast<double>(samples.size());
  const double mean = std::accumulate(samples.begin(), samples.end(), 0.0) / count;
  double squares = 0.0;
  for (const double sample : samples) squares += (sample - mean) * (sample - mean);
  return std::sqrt(squares / (count - 1.0)) / mean;
}

}  // namespace

double quantile(std::span<const double> sorted, double share) {
  const double place = static_cast<double>(sorted.size() - 1) * share;
  const auto below = static_cast<std::size_t>(place);
  const double low = sorted[below];
  const double high = sorted[std::min(below + 1, sorted.size() - 1)];
  const double part = place - std::floor(place);
  // From the nearer end, so that the result does not leave [low, high].
  if (part >= 0.5) return high - (high - low) * (1.0 - part);
  return low + (high - low) * part;
}

Summary summarise(std::span<const double> samples) {
  if (samples.empty()) throw Error(ErrorKind::usage, "There are no samples to summarise.");
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const double median = quantile(sorted, 0.5);
  const double noise = median > 0.0 ? standard_error_of_median(sorted) / median : infinity;
  return {sorted.front(), quantile(sorted, 0.25),      median, quantile(sorted, 0.75),
          sorted.back(),  relative_deviation(samples), noise};
}

double standard_error_of_median(std::span<const double> sorted) {
  constexpr double z = 2.5758293035489004;  // of the normal distribution, 99 % two-sided
  if (sorted.size() < least_samples_for_noise) return infinity;
  const auto count = static_cast<double>(sorted.size());
  const long wanted = std::lround((count + 1.0) / 2.0 - z * std::sqrt(count / 4.0));
  const auto rank = static_cast<std::size_t>(std::max(wanted, 1L));
  return (sorted[sorted.size() - rank] - sorted[rank - 1]) / (2.0 * z);
}

}  // namespace graft::bench
