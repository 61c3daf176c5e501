#pragma once
// Generated results and noise, the same on every machine.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "bench/harness/measurement.h"

namespace graft::bench::test {

// Normally distributed by Box and Muller's transformation: the standard library's distribution is
// not the same everywhere.
class NormalNoise {
 public:
  explicit NormalNoise(std::uint64_t seed) : generator_(seed) {}
  double next() {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  double uniform() { return (static_cast<double>(generator_() >> 11U) + 0.5) * 0x1p-53; }
  std::mt19937_64 generator_;
};

// Around `median`, with a standard deviation of that share of it.
inline std::vector<double> made_samples(double median, double deviation, std::size_t count,
                                        std::uint64_t seed) {
  NormalNoise noise(seed);
  std::vector<double> samples(count);
  for (double& sample : samples) sample = median * (1.0 + deviation * noise.next());
  return samples;
}

inline Case made_case(const std::string& name) {
  return {Suite::kernels,
          name,
          {{"precision", "fp16"}, {"batch", "8"}},
          {4e9, 2e6, Precision::fp16},
          Clock::device,
          8,
          "images"};
}

inline Measurement made_measurement(const std::string& name, std::vector<double> samples) {
  Measurement measurement;
  measurement.what = made_case(name);
  measurement.ended = Ended::settled;
  measurement.samples = std::move(samples);
  return measurement;
}

// With every member set.
inline Result made_result(std::vector<Measurement> measurements) {
  Result result;
  result.device = {"cuda:0", "a made device", "580.1", "13.0", "9.19.0", "sm_90", 80'000'000'000};
  result.build = {"0.1.0", "0123456789abcdef", true, "a compiler", "Release"};
  result.at_start.clock_mhz = 1980.0;
  result.at_start.clocks_locked = true;
  result.at_start.other_processes = 0;
  result.at_end.temperature_celsius = 61.0;
  result.at_end.power_capped = true;
  result.at_end.throttle_reasons = {"thermal"};
  result.ceilings = {2e12, {{Precision::fp32, 5e13}, {Precision::fp16, 8e14}}};
  result.date = "2026-11-24T23:29:52Z";
  result.config = R"({"device":"cuda","train":{"epochs":20}})";
  result.warnings = {"a warning of all cases"};
  result.measurements = std::move(measurements);
  return result;
}

}  // namespace graft::bench::test
