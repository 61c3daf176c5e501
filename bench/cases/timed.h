#pragma once
// Work that the clock of the host times.

#include <chrono>
#include <functional>
#include <utility>

#include "bench/harness/bench_device.h"

namespace graft::bench {

template <typename Work>
double seconds_of(const Work& work) {
  using Steady = std::chrono::steady_clock;
  const Steady::time_point start = Steady::now();
  work();
  return std::chrono::duration<double>(Steady::now() - start).count();
}

// `execution` as a Subject on a device with a timer.
class HostSubject final : public Subject {
 public:
  HostSubject(std::function<void()> flush, std::function<void()> execution)
      : flush_(std::move(flush)), execution_(std::move(execution)) {}

  double sample(CacheState cache, std::size_t times) override {
    if (cache == CacheState::cold) flush_();
    return seconds_of([&] {
      for (std::size_t i = 0; i < times; ++i) execution_();
    });
  }

 private:
  const std::function<void()> flush_, execution_;
};

}  // namespace graft::bench
