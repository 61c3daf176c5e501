#pragma once
// The time of work on the GPU, by the GPU's own clock, as NVIDIA's nvbench takes it:
//
//   stream:  flush L2 │ gate │ event │ work … work │ event
//   host:    enqueues all of it, opens the gate, waits for the last event
//
// The events stand around the work alone, and all of it lies in the stream before the gate opens.
// Cold: memory twice as large as the L2 cache was written before. Hot: the execution before has left
// the caches as they are; several are timed together. More of them than a stream holds come in
// pieces, each behind a gate of its own, and their times are added.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "bench/cuda/gate.h"
#include "bench/harness/bench_device.h"
#include "engine/backend/cuda/resources.h"

namespace graft::bench {

// Enqueues one execution and waits for nothing.
using Work = std::function<void(cudaStream_t)>;

struct SamplerOptions {
  bool gives_times = true;  // false: a sample runs in the same way and is 0 seconds
  std::size_t flush_bytes = 0;
  // A stream takes about a thousand launches before the host has to wait, which behind a closed gate
  // it would do until the gate gives up: a piece of 128 has room for 7 launches in an execution.
  std::size_t piece_executions = 128;
  // Of the gate (gate.h): about two seconds, at half a microsecond of sleep and a read over PCIe.
  std::uint32_t gate_looks = 1U << 20U;
  std::uint32_t probe_looks = 20000;  // of a gate that the host opens at once: tens of milliseconds
};

// For the device that is current when it is made. Throws Failure (kernels/cuda/check.h).
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);

  // False also where every launch waits until its kernel is done (a profiler that replays kernels,
  // CUDA_LAUNCH_BLOCKING=1): no gate can hold work together there, and a time would be the host's.
  bool gives_times() const { return options_.gives_times; }

  // Seconds of `times` executions, as Subject::sample. Its code must have run once before, so that
  // nothing is loaded meanwhile. A piece whose gate gave up, as where an execution is of very many
  // launches, is taken again, and it and what follows in quarters. Throws Error(device) when the
  // gate gave up three times.
  double seconds(const Work& work, CacheState cache, std::size_t times);
  // Writes the flush memory, and waits.
  void flush();
  const cuda::Stream& stream() const { return stream_; }

 private:
  struct Piece {
    double seconds;
    bool gate_held;  // until all was enqueued
  };
  Piece piece(const Work& work, CacheState cache, std::size_t times);
  void enqueue_flush();
  void open_gate();
  bool launches_wait();

  SamplerOptions options_;
  cuda::Stream stream_;
  cuda::Event begin_{cuda::Event::Timing::on}, end_{cuda::Event::Timing::on};
  cuda::PinnedBuffer gate_{sizeof(GateWords)};
  cuda::DeviceBuffer flushed_;  // taken when the first cold sample wants it
};

}  // namespace graft::bench
