#pragma once
// The ceilings of a GPU: the best of many short runs of the kernels in peaks.h, with checked outputs.

#include <span>
#include <stop_token>

#include "bench/cuda/device_work.h"
#include "bench/harness/bench_device.h"

namespace graft::bench {

// fp32 is always measured. Without a timer each kernel runs once, and is checked. Throws
// Error(device) for wrong outputs, and Error(interrupted). Call it inside Device::run.
Ceilings measure_ceilings(const DeviceContext& context, std::span<const Precision> precisions,
                          const std::stop_token& stop);

}  // namespace graft::bench
