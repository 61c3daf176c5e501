#pragma once
// Quantiles, scatter, the standard error of the median, and the stopping criterion.

#include <cstddef>
#include <span>
#include <vector>

#include "bench/harness/measurement.h"

namespace graft::bench {

struct Summary {
  double minimum = 0.0, lower_quartile = 0.0, median = 0.0, upper_quartile = 0.0, maximum = 0.0;
  double relative_deviation = 0.0;  // sample standard deviation / mean
  // Standard error of the median / median. Infinite where the median is not positive, and below
  // least_samples_for_noise.
  double noise = 0.0;
};

// The `share` (0 to 1) quantile with linear interpolation, as NumPy's default (method 7 of Hyndman
// and Fan 1996). `sorted` is ascending and not empty.
double quantile(std::span<const double> sorted, double share);

// Of samples in any order. The deviation of one sample is 0. Throws Error(usage) for none.
Summary summarise(std::span<const double> samples);

// With fewer samples, no two of them enclose the median with a probability of 95 % (1 − 2·2^−n).
inline constexpr std::size_t least_samples_for_noise = 6;

// The standard error of the median, from two order statistics (McKean and Schrader 1984: "A
// comparison of methods for studentizing the sample median", Communications in Statistics 13):
//   c = (n + 1)/2 − z·√(n/4), rounded, at least 1;   (x[n − c + 1] − x[c]) / (2 z),   z = 2.5758
// It assumes no distribution. Times have a long tail, for which the normal distribution's
// 1.2533·s/√n is far too large. Infinite below least_samples_for_noise. `sorted` is ascending.
double standard_error_of_median(std::span<const double> sorted);

// Enough for a deviation of 28 % at a noise of 0.5 %. It bounds the size of a result file.
inline constexpr std::size_t most_samples = 5'000;

// Throws Error(usage) for a method that can never end: noise below 0, no seconds, no samples.
void check_method(const Method& method);

enum class Step { go_on, settled, time_cap };

// The stopping criterion: when there are enough samples. All three conditions must hold:
//
//   least_samples   there are at least as many as requested
//   noise           the relative standard error of the median is as low as requested
//   no drift        the medians of the first and the second half differ by at most twice that.
//                   Otherwise slow changes of clocks and caches look like a narrow distribution.
//
// Twice, because the difference of the halves' medians has twice the standard error. nvbench's
// entropy criterion is not used: it needs more samples where the clock is coarse, and it does not
// bound the error of the median.
class StoppingCriterion {
 public:
  // `method` has passed check_method().
  explicit StoppingCriterion(const Method& method) : method_(method) {}

  void add(double seconds);
  // The next step, `elapsed` seconds after sampling began. time_cap also at `most_samples`.
  Step step(double elapsed) const;
  std::size_t samples() const { return sorted_.size(); }
  // Relative to the median; infinite with too few samples.
  double noise() const;
  double drift() const;  // between the medians of the halves

  bool noise_is_low() const { return noise() <= method_.noise; }
  bool drift_is_low() const { return drift() <= 2.0 * method_.noise; }

 private:
  Method method_;
  std::vector<double> sorted_, in_order_;
};

}  // namespace graft::bench
