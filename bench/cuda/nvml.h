#pragma once
// What NVIDIA's management library says of a GPU at this moment: clocks, temperature, power, what
// holds it back, and who else uses it. The library comes with the driver and is loaded at run time;
// no header of it is needed. Where it, or one of its functions, is missing or refuses, that value is
// absent: a benchmark runs all the same.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/harness/bench_device.h"

namespace graft::bench {

class Nvml {
 public:
  // `library`: a name that the loader looks for, or a path. `pci_bus_id`: "00000000:65:00.0"; a
  // device's number here need not be CUDA's. Never throws for what is missing.
  explicit Nvml(const std::string& pci_bus_id, const std::string& library = "libnvidia-ml.so.1");
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;
  ~Nvml();

  // Microseconds to a few milliseconds. clocks_locked: whether a setting (application clocks, or a
  // lock) holds the clock, not the GPU's own judgement; absent on an idle GPU that does not tell.
  // other_processes: that compute on it, beside this one. In a container the driver may number
  // processes otherwise; then one of them is taken for this.
  Conditions conditions() const;
  std::string driver() const;  // "580.65.06"; empty: not known

 private:
  struct Library;
  std::unique_ptr<const Library> library_;  // null: nothing is known
};

// The reasons of nvmlDeviceGetCurrentClocksEventReasons that make a GPU slower than it could be, in
// words. That it idles, or has the clock that was asked for, is none.
std::vector<std::string> throttle_words(std::uint64_t reasons);

}  // namespace graft::bench
