#pragma once
// Times work on the GPU by CUDA events, with NVIDIA nvbench's method:
//
//   stream:  flush L2 │ blocking kernel │ event │ work … work │ event
//   host:    enqueues all of it, unblocks the stream, waits for the last event
//
// The events enclose the work alone, and all of it is in the stream before the first one runs.
// Cold: a buffer of twice the L2 cache was written before. Hot: the caches are as the previous
// execution left them, and several executions are timed together. More than a stream can hold are
// timed in batches, each with its own blocking kernel, and their times are added.
//
// A profiler can make single kernels wait, by their names. A blocked stream would then wait for the
// host, and the host for the stream. So each work is probed once, behind a blocking kernel that
// gives up soon.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "bench/cuda/blocking_kernel.h"
#include "bench/harness/bench_device.h"
#include "engine/backend/cuda/runtime/resources.h"

namespace graft::bench {

// Enqueues one execution, without waiting.
using Work = std::function<void(cudaStream_t)>;

// Work with the answers of Sampler::probe().
struct ProbedWork {
  Work enqueue;
  bool has_timer = false;           // false: its launches wait for their kernels
  std::size_t most_executions = 1;  // that a blocked stream holds
};

struct SamplerOptions {
  bool has_timer = true;  // false: a sample runs in the same way and is 0 seconds
  std::size_t flush_bytes = 0;
  // Most executions and most entries (kernels, copies, graphs) behind a blocking kernel. A stream
  // holds about a thousand entries. After that the host waits, with a blocked stream until the
  // blocking kernel times out.
  std::size_t batch_executions = 128, batch_entries = 900;
  // Of the blocking kernel: about two seconds, at 0.5 us of sleep and a read over PCIe.
  std::uint32_t polls = 1U << 20U;
  std::uint32_t probe_polls = 20000;  // of probe(): tens of milliseconds
};

// For the device that is current at construction. Throws Failure (kernels/cuda/check.h).
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);

  // False also where every launch waits for its kernel (a profiler that replays kernels,
  // CUDA_LAUNCH_BLOCKING=1): no stream can be blocked there, and times would be the host's.
  bool has_timer() const { return options_.has_timer; }

  // Runs the work behind a blocking kernel, and counts its entries in a capture. It must have run
  // once before, so that its code is loaded. Without a timer it does nothing.
  ProbedWork probe(Work work);
  // Seconds of `times` executions, as Subject::sample; 0 where the work has no timer. A batch whose
  // blocking kernel timed out is repeated with a quarter of the executions. Throws Error(device)
  // after the third timeout.
  double seconds(const ProbedWork& work, CacheState cache, std::size_t times);
  // Writes the flush buffer, and waits.
  void flush();
  const cuda::Stream& stream() const { return stream_; }

 private:
  struct Batch {
    double seconds;
    bool valid;  // the stream was blocked until all was enqueued
  };
  Batch time_batch(const ProbedWork& work, CacheState cache, std::size_t executions);
  void enqueue_flush();
  void unblock();
  bool launches_wait(const Work& work);

  SamplerOptions options_;
  cuda::Stream stream_;
  cuda::Event begin_{cuda::Event::Timing::on}, end_{cuda::Event::Timing::on};
  cuda::PinnedBuffer flags_{sizeof(BlockingFlags)};
  cuda::DeviceBuffer flushed_;  // allocated by the first cold sample
};

}  // namespace graft::bench
