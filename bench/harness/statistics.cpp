#include "bench/harness/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/text.h"

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

void check_method(const Method& method) {
  if (!(method.noise >= 0.0))
    throw Error(ErrorKind::usage,
                fmt::format("noise: expected 0 or more, such as 0.005, got {}", method.noise));
  if (!(method.seconds > 0.0) || !(method.warm_up_seconds >= 0.0))
    throw Error(
        ErrorKind::usage,
        fmt::format("seconds: expected more than 0, and 0 or more to warm up, got {} and {}",
                    method.seconds, method.warm_up_seconds));
  if (method.least_samples == 0 || method.least_samples > most_samples)
    throw Error(ErrorKind::usage, fmt::format("samples: expected 1 to {}, got {}",
                                              grouped(most_samples), method.least_samples));
}

void StoppingCriterion::add(double seconds) {
  in_order_.push_back(seconds);
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), seconds), seconds);
}

double StoppingCriterion::noise() const {
  return sorted_.empty() ? infinity : standard_error_of_median(sorted_) / quantile(sorted_, 0.5);
}

double StoppingCriterion::drift() const {
  const std::size_t half = in_order_.size() / 2;
  if (half == 0) return infinity;
  const std::span<const double> samples = in_order_;
  return std::abs(summarise(samples.last(half)).median - summarise(samples.first(half)).median) /
         quantile(sorted_, 0.5);
}

Step StoppingCriterion::step(double elapsed) const {
  if (samples() >= method_.least_samples && noise_is_low() && drift_is_low()) return Step::settled;
  if (elapsed >= method_.seconds || samples() >= most_samples) return Step::time_cap;
  return Step::go_on;
}

}  // namespace graft::bench
