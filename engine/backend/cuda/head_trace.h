#pragma once
// What the head tells a Tracer of the work in its stream (kernel_trace.h): in the row "cuda head",
// by batches, which are training steps and chunks of other rows, counted from 0.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/backend/cuda/kernel_trace.h"
#include "kernels/cuda/moved_bytes.h"

namespace graft::cuda {

class HeadTrace {
 public:
  // With a null tracer nothing below does anything. `tracer` and `stream` are borrowed.
  HeadTrace(Tracer* tracer, const Stream& stream, bool gives_times);

  Tracer* tracer() const { return trace_ ? trace_->tracer() : nullptr; }
  KernelTrace* kernels() { return trace_ ? &*trace_ : nullptr; }

  void begin_batch();
  // All but the last so many batches are done: tells of them. Their events are used again, so that
  // an epoch needs no more of them than the batches that the host is ahead.
  void finish_all_but(std::size_t last);

  // Around one piece of work. `layer` counts from 0 and is named as in the head's file.
  [[nodiscard]] KernelTrace::Span span(const char* name, std::optional<std::size_t> layer = {},
                                       MovedBytes promised = {});

 private:
  const Stream& stream_;
  std::optional<KernelTrace> trace_;
  std::uint64_t batches_ = 0;
};

}  // namespace graft::cuda
