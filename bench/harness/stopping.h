#pragma once
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

#include <cstddef>
#include <vector>

#include "bench/harness/measurement.h"

namespace graft::bench {

// Enough for a deviation of 28 % at a noise of 0.5 %. It bounds the size of a result file.
inline constexpr std::size_t most_samples = 5'000;

// Throws Error(usage) for a method that can never end: noise below 0, no seconds, no samples.
void check_method(const Method& method);

enum class Step { go_on, settled, time_cap };

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
