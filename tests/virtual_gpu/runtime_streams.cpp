// Streams, events, host functions, capture and graphs.

#include <algorithm>
#include <map>

#include "api.h"

using namespace vgpu;

namespace {

Scheduler& scheduler() {
  return Scheduler::instance();
}

std::map<const void*, std::shared_ptr<Graph>>& graphs() {  // handles of both kinds; under the lock
  static auto* map = new std::map<const void*, std::shared_ptr<Graph>>;
  return *map;
}
std::map<const void*, std::shared_ptr<Graph>>& executables() {
  static auto* map = new std::map<const void*, std::shared_ptr<Graph>>;
  return *map;
}

template <class F>
cudaError_t with_stream(const char* name, cudaStream_t handle, F&& body) {
  return guarded(name, [&]() -> cudaError_t {
    Stream* stream = stream_from(handle);
    return stream == nullptr ? cudaErrorInvalidResourceHandle : body(*stream);
  });
}
template <class F>
cudaError_t with_event(const char* name, cudaEvent_t handle, F&& body) {
  return guarded(name, [&]() -> cudaError_t {
    const std::shared_ptr<Event> event = scheduler().find_event(handle);
    return event == nullptr ? cudaErrorInvalidResourceHandle : body(event);
  });
}

cudaError_t create_stream(const char* name, cudaStream_t* handle, unsigned flags, int priority) {
  return guarded(name, [&] {
    const bool blocking = (flags & cudaStreamNonBlocking) == 0;
    *handle = handle_of(scheduler().create_stream(blocking, std::clamp(priority, -5, 0)));
    return cudaSuccess;
  });
}

cudaError_t broken_capture(Stream& stream) {
  stream.capture->is_broken = true;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t async_error() {
  return static_cast<cudaError_t>(scheduler().take_async_error());
}

}  // namespace

namespace vgpu {
std::size_t live_graphs() {
  return graphs().size() + executables().size();
}
}  // namespace vgpu

// ---- Streams ----

VGPU_EXPORT cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return create_stream("cudaStreamCreate", stream, 0, 0);
}
VGPU_EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return create_stream("cudaStreamCreateWithFlags", stream, flags, 0);
}
VGPU_EXPORT cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags,
                                                     int priority) {
  return create_stream("cudaStreamCreateWithPriority", stream, flags, priority);
}
VGPU_EXPORT cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return with_stream("cudaStreamDestroy", handle, [](Stream& stream) {
    if (!stream.from_program) return cudaErrorInvalidResourceHandle;
    scheduler().destroy_stream(stream);
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return with_stream("cudaStreamSynchronize", handle, [](Stream& stream) {
    if (stream.capture != nullptr) return broken_capture(stream);
    scheduler().finish(stream);
    return async_error();
  });
}
VGPU_EXPORT cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return with_stream("cudaStreamQuery", handle, [](Stream& stream) {
    if (stream.capture != nullptr) return broken_capture(stream);
    const bool was_idle = scheduler().is_idle(stream);
    if (!was_idle) scheduler().make_some_progress();
    return was_idle ? async_error() : cudaErrorNotReady;
  });
}
VGPU_EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle,
                                            unsigned) {
  return with_stream("cudaStreamWaitEvent", handle, [&](Stream& stream) {
    const std::shared_ptr<Event> event = scheduler().find_event(event_handle);
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    return static_cast<cudaError_t>(scheduler().wait_for(stream, event));
  });
}
VGPU_EXPORT cudaError_t cudaStreamGetPriority(cudaStream_t handle, int* priority) {
  return with_stream("cudaStreamGetPriority", handle, [&](Stream& stream) {
    *priority = stream.priority;
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned* flags) {
  return with_stream("cudaStreamGetFlags", handle, [&](Stream& stream) {
    *flags = stream.is_blocking ? cudaStreamDefault : cudaStreamNonBlocking;
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaDeviceSynchronize() {
  return guarded("cudaDeviceSynchronize", [] {
    if (scheduler().unsafe_call_in_capture()) return cudaErrorStreamCaptureUnsupported;
    scheduler().finish_all();
    return async_error();
  });
}
VGPU_EXPORT cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  return with_stream("cudaLaunchHostFunc", handle, [&](Stream& stream) {
    scheduler().enqueue(stream, [function, data] {
      scheduler().without_lock([&] { function(data); });
      return 0;
    });
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaStreamAddCallback(cudaStream_t handle, cudaStreamCallback_t function,
                                              void* data, unsigned) {
  return with_stream("cudaStreamAddCallback", handle, [&](Stream& stream) {
    if (stream.capture != nullptr) return broken_capture(stream);
    scheduler().enqueue(stream, [handle, function, data] {
      scheduler().without_lock([&] { function(handle, cudaSuccess, data); });
      return 0;
    });
    return cudaSuccess;
  });
}

// ---- Events ----

VGPU_EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return guarded("cudaEventCreateWithFlags", [&] {
    const bool timing = (flags & cudaEventDisableTiming) == 0;
    *event = reinterpret_cast<cudaEvent_t>(scheduler().create_event(timing).get());
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return guarded("cudaEventCreate", [&] {
    *event = reinterpret_cast<cudaEvent_t>(scheduler().create_event(true).get());
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return guarded("cudaEventDestroy", [&] {
    return scheduler().destroy_event(event) ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}
VGPU_EXPORT cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
  return with_event("cudaEventRecord", handle, [&](const std::shared_ptr<Event>& event) {
    Stream* stream = stream_from(stream_handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    return static_cast<cudaError_t>(scheduler().record(*stream, event));
  });
}
VGPU_EXPORT cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  return cudaEventRecord(event, stream);
}
VGPU_EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  return with_event("cudaEventSynchronize", handle, [](const std::shared_ptr<Event>& event) {
    if (event->capture != nullptr) return cudaErrorCapturedEvent;
    scheduler().finish(event);
    return async_error();
  });
}
VGPU_EXPORT cudaError_t cudaEventQuery(cudaEvent_t handle) {
  return with_event("cudaEventQuery", handle, [](const std::shared_ptr<Event>& event) {
    if (event->capture != nullptr) return cudaErrorCapturedEvent;
    const bool was_done = event->completed >= event->recorded;
    if (!was_done) scheduler().make_some_progress();
    return was_done ? async_error() : cudaErrorNotReady;
  });
}
VGPU_EXPORT cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from,
                                             cudaEvent_t to) {
  return with_event("cudaEventElapsedTime", from, [&](const std::shared_ptr<Event>& first) {
    const std::shared_ptr<Event> second = scheduler().find_event(to);
    if (second == nullptr || !first->has_timing || !second->has_timing || first->recorded == 0 ||
        second->recorded == 0)
      return cudaErrorInvalidResourceHandle;
    if (first->completed < first->recorded || second->completed < second->recorded)
      return cudaErrorNotReady;
    // No time: a microsecond for each event that came in between, so that only the order counts.
    const auto ticks = static_cast<double>(second->tick) - static_cast<double>(first->tick);
    *milliseconds = static_cast<float>(ticks * 1e-3);
    return cudaSuccess;
  });
}

// ---- Capture and graphs ----

VGPU_EXPORT cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return with_stream("cudaStreamBeginCapture", handle, [&](Stream& stream) {
    const bool strict = mode != cudaStreamCaptureModeRelaxed;
    return static_cast<cudaError_t>(scheduler().begin_capture(stream, strict));
  });
}
VGPU_EXPORT cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return with_stream("cudaStreamEndCapture", handle, [&](Stream& stream) {
    std::shared_ptr<Graph> captured;
    const int error = scheduler().end_capture(stream, captured);
    *graph = reinterpret_cast<cudaGraph_t>(captured.get());
    if (captured != nullptr) graphs()[captured.get()] = captured;
    return static_cast<cudaError_t>(error);
  });
}
VGPU_EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t handle,
                                              cudaStreamCaptureStatus* status) {
  return with_stream("cudaStreamIsCapturing", handle, [&](Stream& stream) {
    *status = stream.capture == nullptr   ? cudaStreamCaptureStatusNone
              : stream.capture->is_broken ? cudaStreamCaptureStatusInvalidated
                                          : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  *mode = cudaStreamCaptureModeGlobal;
  return cudaSuccess;
}
VGPU_EXPORT cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                             unsigned long long) {
  return guarded("cudaGraphInstantiate", [&] {
    const auto found = graphs().find(graph);
    if (found == graphs().end()) return cudaErrorInvalidValue;
    auto copy = std::make_shared<Graph>(*found->second);
    *executable = reinterpret_cast<cudaGraphExec_t>(copy.get());
    executables()[copy.get()] = copy;
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable,
                                                      cudaGraph_t graph, unsigned long long flags) {
  return cudaGraphInstantiate(executable, graph, flags);
}
VGPU_EXPORT cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes,
                                          std::size_t* count) {
  return guarded("cudaGraphGetNodes", [&] {
    const auto found = graphs().find(graph);
    if (found == graphs().end() || nodes != nullptr) return cudaErrorInvalidValue;
    *count = found->second->nodes.size();
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  return guarded("cudaGraphUpload", [&] {
    return executables().count(executable) != 0 ? cudaSuccess : cudaErrorInvalidValue;
  });
}
VGPU_EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  return with_stream("cudaGraphLaunch", handle, [&](Stream& stream) {
    const auto found = executables().find(executable);
    if (found == executables().end()) return cudaErrorInvalidValue;
    scheduler().enqueue(stream, [graph = found->second] { return scheduler().run_graph(*graph); });
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return guarded("cudaGraphExecDestroy", [&] {
    return executables().erase(executable) != 0 ? cudaSuccess : cudaErrorInvalidValue;
  });
}
VGPU_EXPORT cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return guarded("cudaGraphDestroy",
                 [&] { return graphs().erase(graph) != 0 ? cudaSuccess : cudaErrorInvalidValue; });
}
