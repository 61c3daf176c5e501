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

}  // namespace

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
