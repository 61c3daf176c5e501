#pragma once
// How a device lets itself be measured. One is a folder: bench/cpu, bench/cuda. No type of CUDA
// appears here.
//
//   cases()  ──►  prepare(case)  ──►  Subject::sample() …  ──►  Measurement (measurement.h)
//                        conditions() around each sample
//
// Calls throw Error (engine/base/error.h). One thread drives a device and what it made.

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/harness/case.h"

namespace graft::bench {

// What a result says of where it was measured. Texts may be empty: not known, or there is none.
struct DeviceIdentity {
  std::string device;           // "cpu", "cuda:0"
  std::string name;             // "NVIDIA H100 80GB HBM3", "AMD EPYC 9R45, AVX-512, 2 threads"
  std::string driver;           // "580.65.06"
  std::string cuda;             // "13.0", of the runtime
  std::string cudnn;            // "9.19.0"
  std::string instruction_set;  // "sm_90", "AVX-512"
  std::size_t memory_bytes = 0;
};

// The device at one moment. Empty: the device does not tell.
struct Conditions {
  std::optional<double> clock_mhz, memory_clock_mhz;
  std::optional<double> temperature_celsius, power_watts;
  std::optional<bool> clocks_locked;
  std::optional<std::size_t> other_processes;  // that use the device, beside this one
  // Why the device runs slower than it could, in words: "power cap", "thermal". Empty: it does not.
  std::vector<std::string> throttle_reasons;
};

// What the device reaches at best, measured by kernels that do nothing else, in the same run.
struct Ceilings {
  double bytes_per_second = 0.0;  // of a copy in device memory: bytes read and bytes written
  std::map<Precision, double> flop_per_second;  // by the arithmetic; absent: it has none
};

enum class CacheState {
  cold,  // what the work reads is in no cache of the device
  hot,   // as the execution before left it
};
std::string_view name_of(CacheState cache);

// A case with its memory and code, ready to run.
class Subject {
 public:
  virtual ~Subject() = default;
  // Executes `times` times, one after the other, and returns the seconds that all of it took by the
  // case's clock. With `cold` caches are flushed before, outside of the time, and `times` is 1.
  // Nothing runs any more when it returns. On a device that gives no times: 0.
  virtual double sample(CacheState cache, std::size_t times) = 0;
  // Where the time of the last sample went, in shares of it: {"decode", 0.31}. Stages that overlap
  // add up to more than 1. Empty where a case has no stages.
  virtual std::vector<std::pair<std::string, double>> stages() const { return {}; }
};

class BenchDevice {
 public:
  virtual ~BenchDevice() = default;
  virtual DeviceIdentity identity() = 0;
  // False on the virtual GPU, and where something makes each launch wait: everything runs there, and
  // no time means anything.
  virtual bool gives_times() const = 0;
  // What stands in the place of the times then.
  virtual std::string why_no_times() const { return "virtual: no times"; }
  // Every case of the suite at these axes, in the order in which to run them; takes no memory for
  // their data.
  virtual std::vector<Case> cases(Suite suite, const Axes& axes) = 0;
  // Takes the memory. Throws Error(device) when there is not enough.
  virtual std::unique_ptr<Subject> prepare(const Case& which) = 0;
  // Seconds, not minutes; measured once. `stop` ends it early, with Error(interrupted). The
  // precisions say which arithmetic is of interest.
  virtual Ceilings ceilings(std::span<const Precision> precisions, std::stop_token stop) = 0;
  virtual Conditions conditions() = 0;
};

}  // namespace graft::bench
