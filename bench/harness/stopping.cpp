#include "bench/harness/stopping.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "bench/harness/statistics.h"
#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft::bench {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double median_of(std::span<const double> samples) {
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  return quantile(sorted, 0.5);
}

void check(const Method& method) {
  if (!(method.noise >= 0.0))
    throw Error(ErrorKind::usage, fmt::format("noise: {} is no share of the median; give 0.005 or "
                                              "another number from 0 on",
                                              method.noise));
  if (!(method.seconds > 0.0) || !(method.warm_up_seconds >= 0.0))
    throw Error(ErrorKind::usage,
                fmt::format("seconds: a case cannot be measured in {} s after warming up for {} s; "
                            "give more than 0, and 0 or more to warm up",
                            method.seconds, method.warm_up_seconds));
  if (method.least_samples == 0 || method.least_samples > most_samples)
    throw Error(ErrorKind::usage,
                fmt::format("samples: {} cannot be the least number of samples; give 1 to {}",
                            method.least_samples, grouped(most_samples)));
}

}  // namespace

StoppingCriterion::StoppingCriterion(const Method& method) : method_(method) {
  check(method);
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
  return std::abs(median_of(samples.last(half)) - median_of(samples.first(half))) /
         quantile(sorted_, 0.5);
}

bool StoppingCriterion::noise_is_low() const {
  return noise() <= method_.noise;
}

bool StoppingCriterion::drift_is_low() const {
  return drift() <= 2.0 * method_.noise;
}

Step StoppingCriterion::step(double elapsed) const {
  if (samples() >= method_.least_samples && noise_is_low() && drift_is_low()) return Step::settled;
  if (elapsed >= method_.seconds || samples() >= most_samples) return Step::time_cap;
  return Step::go_on;
}

}  // namespace graft::bench
