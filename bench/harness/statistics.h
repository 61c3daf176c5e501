#pragma once
// What a set of samples says: its quantiles, how much it scatters, and how sure its median is.
// Nothing here depends on the standard library's distributions or on the locale, so that the same
// samples give the same bytes everywhere.

#include <cstddef>
#include <cstdint>
#include <span>

#include "bench/harness/measurement.h"

namespace graft::bench {

// The value below which `share` (0 to 1) of the samples lie, linear between neighbours, as NumPy's
// quantile computes it by default (method 7 of Hyndman and Fan 1996). `sorted` ascends and is not
// empty.
double quantile(std::span<const double> sorted, double share);

// Of any order. The deviation is 0 for a single sample. Throws Error(usage) where there is none.
Summary summarise(std::span<const double> samples);

// With fewer, no two of the samples enclose the median with a probability of 95 % (1 − 2·2^−n), and
// how sure it is cannot be said.
inline constexpr std::size_t least_samples_for_noise = 6;

// The standard error of the median, from two order statistics (McKean and Schrader 1984: "A
// comparison of methods for studentizing the sample median", Communications in Statistics 13):
//   c = (n + 1)/2 − z·√(n/4), rounded, at least 1;   (x[n − c + 1] − x[c]) / (2 z),   z = 2.5758
// It takes no distribution for granted: times have a long tail, which makes 1.2533·s/√n of a normal
// one far too large. Infinite below least_samples_for_noise. `sorted` ascends.
double standard_error_of_median(std::span<const double> sorted);

// That as a share of the median; infinite where the median is not positive. Of any order.
double noise_of(std::span<const double> samples);

struct Interval {
  double low = 0.0, high = 0.0;
};

struct Bootstrap {
  double confidence = 0.95;
  std::size_t resamples = 2000;
  std::uint64_t seed = 0x67726166745f3137;
};

// Where median(after) / median(before) lies, by the percentile bootstrap (Efron 1979): both sets
// are drawn again from themselves, with replacement, and the ratio is taken each time. Samples are
// positive, and there is at least one in each; of fewer than about six the interval is too narrow.
Interval interval_of_ratio(std::span<const double> before, std::span<const double> after,
                           const Bootstrap& bootstrap = {});

}  // namespace graft::bench
