#pragma once
// A device of which a test says everything, and a clock that only its work moves.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/harness/bench_device.h"
#include "bench/harness/measure.h"

namespace graft::bench::test {

class FakeTime final : public TimeSource {
 public:
  double now() override { return now_; }
  void pause(double seconds) override { now_ += seconds; }
  void pass(double seconds) { now_ += seconds; }

 private:
  double now_ = 100.0;
};

struct FakeDevice final : BenchDevice {
  FakeTime time;
  bool times = true;
  std::string no_times_since = "virtual: no times";
  double seconds = 2e-3;        // of one execution
  double flush_seconds = 1e-3;  // that pass before a cold sample
  Conditions now;
  Ceilings reached = {1e12, {{Precision::fp16, 1e14}}};
  std::vector<std::pair<std::string, double>> shares;
  // What is done at a sample, by its number, before it is given; may throw, and change all this.
  std::function<void(std::size_t)> at_sample = [](std::size_t) {};
  std::function<void(const Case&)> at_prepare = [](const Case&) {};
  std::function<void(std::stop_token)> at_ceilings = [](const std::stop_token&) {};

  // What was asked of it.
  struct Call {
    CacheState cache;
    std::size_t times;
  };
  std::vector<Call> samples;
  std::vector<Precision> asked_precisions;
  std::size_t conditions_read = 0, ceilings_measured = 0, subjects = 0;

  DeviceIdentity identity() override { return {"fake:0", "a fake", "", "", "", "", 0}; }
  bool gives_times() const override { return times; }
  std::string why_no_times() const override { return no_times_since; }
  std::vector<Case> cases(Suite, const Axes&) override { return {}; }
  std::unique_ptr<Subject> prepare(const Case& which) override;
  Ceilings ceilings(std::span<const Precision> precisions, std::stop_token stop) override;
  Conditions conditions() override;
};

}  // namespace graft::bench::test
