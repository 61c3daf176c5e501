#pragma once
// Generated results and noise, the same on every machine.

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "bench/harness/measurement.h"

namespace graft::bench::test {

// Normally distributed by Box and Muller's transformation: the standard library's distribution may
// give other numbers elsewhere.
class NormalNoise {
 public:
  explicit NormalNoise(std::uint64_t seed) : generator_(seed) {}
  double next();

 private:
  double uniform();
  std::mt19937_64 generator_;
};

// Around `median`, with a standard deviation of that share of it.
std::vector<double> made_samples(double median, double deviation, std::size_t count,
                                 std::uint64_t seed);

Case made_case(const std::string& name, Suite suite = Suite::kernels);
Measurement made_measurement(const std::string& name, std::vector<double> samples);
// With every member set.
Result made_result(std::vector<Measurement> measurements);

}  // namespace graft::bench::test
