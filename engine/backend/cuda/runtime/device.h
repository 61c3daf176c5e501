#pragma once
// The GPU that a backend computes on.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "engine/backend/cuda/runtime/errors.h"

namespace graft::cuda {

// Of the GPUs that CUDA_VISIBLE_DEVICES leaves. Throws Error(device) with a sentence: no driver, one
// older than the runtime, no GPU. Throws Failure for the rest.
int device_count();

class Device {
 public:
  // ordinal: below device_count(). Throws Error(device) as that does, for no such ordinal, and for a
  // compute capability that the kernels were not compiled for.
  explicit Device(int ordinal);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() = default;

  int ordinal() const { return ordinal_; }
  const std::string& name() const { return name_; }               // "NVIDIA H100 80GB HBM3"
  int compute_capability() const { return compute_capability_; }  // 90 for sm_90
  std::size_t memory() const { return memory_; }                  // bytes
  // False on the virtual GPU: its events have an order and no times.
  bool has_timer() const;
  // For people: "NVIDIA H100 80GB HBM3 (cuda:0), sm_90, 79 GiB, driver for CUDA 13.0".
  std::string description() const;

  struct Memory {
    std::size_t free, total;  // bytes
  };
  Memory memory_now() const;  // throws Failure

  // For every public entry of the backend and of what it made: makes this device the calling
  // thread's, runs `work`, and turns failures into Error(device) (errors.h). `task` is what failed,
  // as the start of a sentence.
  template <typename Work>
  decltype(auto) run(std::string_view task, Work&& work) {
    return as_device_errors(first_cause_, task, [&]() -> decltype(auto) {
      make_current();
      return std::forward<Work>(work)();
    });
  }
  void make_current() const { GRAFT_CUDA_CHECK(cudaSetDevice(ordinal_)); }  // throws Failure

 private:
  int ordinal_;
  int compute_capability_ = 0;
  int driver_version_ = 0;
  std::size_t memory_ = 0;
  std::string name_;
  FirstCause first_cause_;
};

}  // namespace graft::cuda
