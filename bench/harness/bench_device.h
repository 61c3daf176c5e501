#pragma once
// Interface of a device under benchmark. bench/cpu and bench/cuda implement it. No CUDA types.
//
//   cases()  ──►  Case::prepare()  ──►  Subject::sample() …  ──►  Measurement (measurement.h)
//                         conditions() around each sample
//
// Calls throw Error (engine/base/error.h). One thread uses a device and its subjects.

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "bench/harness/case.h"

namespace graft::bench {

// The device as a result names it. An empty text: not known.
struct DeviceIdentity {
  std::string device;           // "cpu", "cuda:0"
  std::string name;             // "NVIDIA H100 80GB HBM3", "AMD EPYC 9R45, AVX-512, 2 threads"
  std::string driver;           // "580.65.06"
  std::string cuda;             // "13.0", of the runtime
  std::string cudnn;            // "9.19.0"
  std::string instruction_set;  // "sm_90", "AVX-512"
  std::size_t memory_bytes = 0;
};

// The state of the device at one moment. Empty: not known.
struct Conditions {
  std::optional<double> clock_mhz, memory_clock_mhz;
  std::optional<double> temperature_celsius, power_watts;
  std::optional<bool> clocks_locked;
  std::optional<std::size_t> other_processes;  // that use the device
  std::optional<bool> power_capped;  // the power limit holds the clocks, which is no throttling
  std::vector<std::string> throttle_reasons;  // "hardware slowdown", "thermal"; empty: none
};

// The highest rates of the device, measured in the same run by kernels that do nothing else.
struct Ceilings {
  double bytes_per_second = 0.0;  // of a copy in device memory: bytes read and bytes written
  std::map<Precision, double> flop_per_second;  // by arithmetic; absent: not supported
};

class BenchDevice {
 public:
  virtual ~BenchDevice() = default;
  virtual DeviceIdentity identity() = 0;
  // False on the virtual GPU, and where each launch waits for its kernel. Everything runs there,
  // but no time is meaningful.
  virtual bool has_timer() const = 0;
  virtual std::string missing_timer_reason() const { return "virtual GPU: no timer"; }
  // The cases of the suite at these axes, in the order to run them, with unique names. Takes no
  // memory for their data.
  virtual std::vector<Case> cases(Suite suite, const Axes& axes) = 0;
  // Takes seconds. `precisions`: the arithmetic to measure. `stop` ends it with Error(interrupted).
  virtual Ceilings ceilings(std::span<const Precision> precisions, std::stop_token stop) = 0;
  virtual Conditions conditions() = 0;
};

}  // namespace graft::bench
