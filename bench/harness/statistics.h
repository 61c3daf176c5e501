#pragma once
// Quantiles, scatter, and the standard error of the median.

#include <cstddef>
#include <span>

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

}  // namespace graft::bench
