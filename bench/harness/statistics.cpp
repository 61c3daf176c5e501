#include "bench/harness/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "engine/base/error.h"

namespace graft::bench {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> ascending(std::span<const double> samples) {
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

double relative_deviation(std::span<const double> samples) {
  if (samples.size() < 2) return 0.0;
  const auto count = static_cast<double>(samples.size());
  const double mean = std::accumulate(samples.begin(), samples.end(), 0.0) / count;
  double squares = 0.0;
  for (const double sample : samples) squares += (sample - mean) * (sample - mean);
  return std::sqrt(squares / (count - 1.0)) / mean;
}

// Medians of samples that are drawn again from a sorted set. How often each was drawn is enough:
// the middle is found by counting.
class ResampledMedian {
 public:
  explicit ResampledMedian(std::span<const double> samples)
      : sorted_(ascending(samples)), drawn_(sorted_.size()) {}

  double next(std::mt19937_64& generator) {
    std::fill(drawn_.begin(), drawn_.end(), 0U);
    const std::uint64_t count = sorted_.size();
    for (std::uint64_t draw = 0; draw < count; ++draw)
      ++drawn_[(generator() >> 32U) * count >> 32U];
    return (of_rank((count - 1) / 2) + of_rank(count / 2)) / 2.0;
  }

 private:
  double of_rank(std::size_t rank) const {
    std::size_t index = 0;
    for (std::size_t below = drawn_[0]; below <= rank; below += drawn_[index]) ++index;
    return sorted_[index];
  }

  std::vector<double> sorted_;
  std::vector<std::uint32_t> drawn_;
};

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
  const std::vector<double> sorted = ascending(samples);
  return {sorted.front(),         quantile(sorted, 0.25), quantile(sorted, 0.5),
          quantile(sorted, 0.75), sorted.back(),          relative_deviation(samples)};
}

double standard_error_of_median(std::span<const double> sorted) {
  constexpr double z = 2.5758293035489004;  // of the normal distribution, 99 % two-sided
  if (sorted.size() < least_samples_for_noise) return infinity;
  const auto count = static_cast<double>(sorted.size());
  const long wanted = std::lround((count + 1.0) / 2.0 - z * std::sqrt(count / 4.0));
  const auto rank = static_cast<std::size_t>(std::max(wanted, 1L));
  return (sorted[sorted.size() - rank] - sorted[rank - 1]) / (2.0 * z);
}

double noise_of(std::span<const double> samples) {
  if (samples.empty()) return infinity;
  const std::vector<double> sorted = ascending(samples);
  const double median = quantile(sorted, 0.5);
  return median > 0.0 ? standard_error_of_median(sorted) / median : infinity;
}

Interval interval_of_ratio(std::span<const double> before, std::span<const double> after,
                           const Bootstrap& bootstrap) {
  if (before.empty() || after.empty())
    throw Error(ErrorKind::usage, "There are no samples to compare.");
  std::mt19937_64 generator(bootstrap.seed);
  ResampledMedian median_before(before);
  ResampledMedian median_after(after);
  std::vector<double> ratios(bootstrap.resamples);
  for (double& ratio : ratios) {
    const double denominator = median_before.next(generator);
    ratio = median_after.next(generator) / denominator;
  }
  std::sort(ratios.begin(), ratios.end());
  const double tail = (1.0 - bootstrap.confidence) / 2.0;
  return {quantile(ratios, tail), quantile(ratios, 1.0 - tail)};
}

}  // namespace graft::bench
