#pragma once
// A device that a test controls, and a clock that only its work advances.

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

 private:
  double now_ = 100.0;
};

struct FakeDevice final : BenchDevice {
  FakeTime time;
  bool timer = true;
  bool launches_wait = false;
  std::string timer_reason = "virtual GPU: no timer";
  double seconds = 2e-3;        // of one execution
  double flush_seconds = 1e-3;  // before a cold sample
  Conditions now;
  Ceilings reached = {1e12, {{Precision::fp16, 1e14}}};
  StageShares shares;
  // Called before each sample, with its number. It may throw, and change the members.
  std::function<void(std::size_t)> at_sample = [](std::size_t) {};
  std::function<void(const Case&)> at_prepare = [](const Case&) {};
  std::function<void(std::stop_token)> at_ceilings = [](const std::stop_token&) {};

  // The calls so far.
  struct Call {
    CacheState cache;
    std::size_t times;
  };
  std::vector<Call> samples;
  std::vector<Precision> asked_precisions;
  std::size_t conditions_read = 0, ceilings_measured = 0, subjects = 0;

  DeviceIdentity identity() override { return {"fake:0", "a fake", "", "", "", "", 0}; }
  bool has_timer() const override { return timer; }
  std::string missing_timer_reason() const override { return timer_reason; }
  std::vector<Case> cases(Suite, const Axes&) override { return {}; }
  // The case, whose subject is this device's.
  Case own(Case which);
  Ceilings ceilings(std::span<const Precision> precisions, std::stop_token stop) override {
    ++ceilings_measured;
    asked_precisions.assign(precisions.begin(), precisions.end());
    at_ceilings(stop);
    return reached;
  }
  Conditions conditions() override {
    ++conditions_read;
    return now;
  }
};

class FakeSubject final : public Subject {
 public:
  explicit FakeSubject(FakeDevice& device) : device_(device) { ++device_.subjects; }
  ~FakeSubject() override { --device_.subjects; }
  FakeSubject(const FakeSubject&) = delete;
  FakeSubject& operator=(const FakeSubject&) = delete;

  double sample(CacheState cache, std::size_t times) override {
    device_.samples.push_back({cache, times});
    device_.at_sample(device_.samples.size() - 1);
    const double took = device_.seconds * static_cast<double>(times);
    device_.time.pause(took + (cache == CacheState::cold ? device_.flush_seconds : 0.0));
    return took;
  }
  bool has_timer() const override { return !device_.launches_wait; }
  StageShares stages() const override { return device_.shares; }

 private:
  FakeDevice& device_;
};

inline Case FakeDevice::own(Case which) {
  which.prepare = [this, which] {
    at_prepare(which);
    return std::make_unique<FakeSubject>(*this);
  };
  return which;
}

}  // namespace graft::bench::test
