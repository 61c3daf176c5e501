#include "engine/backend/cuda/head_trace.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace graft::cuda {
namespace {

// "dense", "dense_1", … A head has no more. They outlive the trace that keeps them.
constexpr std::size_t most_layers = 256;
constexpr auto layer_names = [] {
  std::array<std::array<char, 10>, most_layers> names = {};
  for (std::size_t i = 0; i < most_layers; ++i) {
    const std::string_view stem = i == 0 ? "dense" : "dense_";
    char* end = std::ranges::copy(stem, names[i].data()).out;
    if (i >= 100) *end++ = static_cast<char>('0' + i / 100);
    if (i >= 10) *end++ = static_cast<char>('0' + i / 10 % 10);
    if (i >= 1) *end = static_cast<char>('0' + i % 10);
  }
  return names;
}();

}  // namespace

HeadTrace::HeadTrace(Tracer* tracer, const Stream& stream, bool gives_times) : stream_(stream) {
  if (tracer == nullptr) return;
  tracer->name_queue(stream.get(), name_of(Queue::head));
  trace_.emplace(*tracer, stream, gives_times);
}

void HeadTrace::begin_batch() {
  if (trace_) trace_->begin_batch(batches_++);
}

void HeadTrace::finish_all_but(std::size_t last) {
  if (trace_ && batches_ > last) trace_->finish(batches_ - last - 1);
}

KernelTrace::Span HeadTrace::span(const char* name, std::optional<std::size_t> layer,
                                  MovedBytes promised) {
  const char* const of_layer = layer ? layer_names.at(*layer).data() : nullptr;
  return {kernels(), stream_, {Queue::head, name, of_layer, promised.total()}};
}

}  // namespace graft::cuda
