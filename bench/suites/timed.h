#pragma once
// The clock of the host around a piece of work.

#include <chrono>

namespace graft::bench {

template <typename Work>
double seconds_of(const Work& work) {
  using Steady = std::chrono::steady_clock;
  const Steady::time_point start = Steady::now();
  work();
  return std::chrono::duration<double>(Steady::now() - start).count();
}

}  // namespace graft::bench
