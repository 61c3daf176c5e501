#pragma once
// The ceilings of a GPU: the best of many short runs of the kernels in peaks.h, with checked
// outputs.

#include <span>
#include <stop_token>

#include "bench/cuda/device_work.h"
#include "bench/harness/bench_device.h"

namespace graft::bench {

// The amount of work.
struct PeakSizes {
  std::size_t copy_bytes;  // read, and as many written
  unsigned blocks, steps;  // of the arithmetic
  double seconds;          // for each ceiling; 0: one run
};
// For the current device: a copy larger than its L2 cache, and blocks for every multiprocessor.
PeakSizes peak_sizes(const cuda::Device& device);

// fp32 is always measured. Throws Error(device) for wrong outputs, and Error(interrupted). Call it
// inside Device::run.
Ceilings measure_ceilings(const DeviceContext& context, const PeakSizes& sizes,
                          std::span<const Precision> precisions, const std::stop_token& stop);

}  // namespace graft::bench
