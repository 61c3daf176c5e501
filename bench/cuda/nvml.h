#pragma once
// The state of a GPU by NVML, NVIDIA's management library: clocks, temperature, power, throttling,
// other processes. The library is part of the driver and is loaded at run time, without its header.
// A value is absent where the library or one of its functions is missing or fails.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/harness/bench_device.h"

namespace graft::bench {

class Nvml {
 public:
  // `pci_bus_id`: "00000000:65:00.0"; NVML numbers devices in another order than CUDA. `library`:
  // as for dlopen. Does not throw for a missing library.
  explicit Nvml(const std::string& pci_bus_id, const std::string& library = "libnvidia-ml.so.1");
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;
  ~Nvml();

  // Takes microseconds to a few milliseconds. clocks_locked: application clocks or a lock are set;
  // absent on an idle GPU, which does not report it. other_processes: compute processes without
  // this one. In a container the process numbers can differ; one process is then assumed to be this
  // one.
  Conditions conditions() const;
  std::string driver() const;  // "580.65.06"; empty: not known

 private:
  template <typename Value, typename... Arguments>
  std::optional<Value> ask(const char* function, Arguments... arguments) const;
  std::optional<bool> clocks_locked(std::optional<std::uint64_t> reasons) const;
  std::optional<std::size_t> other_processes() const;

  void* library_;
  bool started_ = false;
  void* device_ = nullptr;  // NVML's handle; null: not available
};

// The bits of nvmlDeviceGetCurrentClocksEventReasons as words. Not throttling: idle and requested
// clocks, and the power cap, which is the normal state of a large GPU whose tensor cores are busy.
std::vector<std::string> throttle_words(std::uint64_t reasons);

}  // namespace graft::bench
