#pragma once
// When there are samples enough. The criterion is the relative standard error of the median: it
// says how far the figure that is reported may be off, for work of any length and any distribution.
// Three conditions hold together:
//
//   least_samples   there are as many as asked at least
//   noise           the standard error of the median is at most that share of it
//   no drift        the medians of the first and of the second half differ by at most twice as
//                   much: what clocks and caches do slowly would otherwise pass for a narrow
//                   distribution, seen for too short a time
//
// Twice, since the difference of the halves' medians has twice the standard error of the whole's.
// An entropy criterion (no new values appear) is left out: it asks for more samples of quantised
// clocks and says nothing about the median.

#include <cstddef>
#include <vector>

#include "bench/harness/measurement.h"

namespace graft::bench {

// More than these are not taken of one case: they settle a deviation of 28 % at a noise of .5 %, and
// bound a result file.
inline constexpr std::size_t most_samples = 5'000;

enum class Step { go_on, settled, time_cap };

class StoppingCriterion {
 public:
  // Throws Error(usage) where the method can never settle: noise below 0, no seconds, no samples.
  explicit StoppingCriterion(const Method& method);

  void add(double seconds);
  // What to do now, `elapsed` seconds after sampling began. time_cap also at `most_samples`.
  Step step(double elapsed) const;
  std::size_t samples() const { return sorted_.size(); }
  // The two that are asked for, as shares of the median; infinite where there are too few samples.
  double noise() const;
  double drift() const;  // between the medians of the halves

  bool noise_is_low() const;
  bool drift_is_low() const;

 private:
  Method method_;
  std::vector<double> sorted_, in_order_;
};

}  // namespace graft::bench
