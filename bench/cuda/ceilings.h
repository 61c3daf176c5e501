#pragma once
// The ceilings of a GPU, measured by the kernels of peaks.h: the best of many short runs, each
// checked for what it left.

#include <span>
#include <stop_token>

#include "bench/cuda/device_work.h"
#include "bench/harness/bench_device.h"

namespace graft::bench {

// How much a run does.
struct PeakSizes {
  std::size_t copy_bytes;  // read, and as many written
  unsigned blocks, steps;  // of the arithmetic
  double seconds;          // of runs for each ceiling; 0: one run
};
// For the current device: a copy beyond its L2 cache, and every multiprocessor full.
PeakSizes peak_sizes(const cuda::Device& device);

// fp32 is always measured. Throws Error(device) for a kernel that did not do its work, and
// Error(interrupted). Inside Device::run.
Ceilings measure_ceilings(const DeviceContext& context, const PeakSizes& sizes,
                          std::span<const Precision> precisions, const std::stop_token& stop);

}  // namespace graft::bench
