// Streams, events, host functions, capture and graphs.

#include <map>

#include "report/leaks.h"
#include "runtime/api.h"

using namespace vgpu;

namespace {

Scheduler& scheduler() {
  return Scheduler::instance();
}

// Captured graphs or instantiated ones, by their handles; under the lock.
using Graphs = std::map<const void*, std::shared_ptr<Graph>>;
Graphs& graphs() {
  static auto* map = new Graphs;
  return *map;
}
Graphs& executables() {
  static auto* map = new Graphs;
  return *map;
}
template <class Handle>
void keep(Graphs& kept, const std::shared_ptr<Graph>& graph, Handle* handle) {
  *handle = reinterpret_cast<Handle>(graph.get());
  kept[graph.get()] = graph;
}
std::shared_ptr<Graph> graph_from(const Graphs& kept, const void* handle) {
  const auto found = kept.find(handle);
  if (found == kept.end()) throw Failure(cudaErrorInvalidValue, "no such graph");
  return found->second;
}

std::shared_ptr<Event> event_from(cudaEvent_t handle) {
  std::shared_ptr<Event> event = scheduler().find_event(handle);
  if (event == nullptr) throw Failure(cudaErrorInvalidResourceHandle, "no such event");
  return event;
}

cudaError_t create_stream(const char* name, cudaStream_t* handle, unsigned flags) {
  return guarded(name, [&] {
    use_current_device();
    Stream& stream = scheduler().create_stream((flags & cudaStreamNonBlocking) == 0);
    *handle = reinterpret_cast<cudaStream_t>(&stream);
  });
}
cudaError_t create_event(const char* name, cudaEvent_t* handle, unsigned flags) {
  return guarded(name, [&] {
    const bool has_timing = (flags & cudaEventDisableTiming) == 0;
    *handle = reinterpret_cast<cudaEvent_t>(scheduler().create_event(has_timing).get());
  });
}

// The stream, which must not be captured: waiting for it breaks the capture.
Stream& waited_stream(cudaStream_t handle) {
  Stream& stream = stream_from(handle);
  if (stream.capture == nullptr) return stream;
  stream.capture->is_broken = true;
  throw Failure(cudaErrorStreamCaptureUnsupported, "a captured stream is waited for");
}
std::shared_ptr<Event> waited_event(cudaEvent_t handle) {
  std::shared_ptr<Event> event = event_from(handle);
  if (event->capture != nullptr)
    throw Failure(cudaErrorCapturedEvent, "a captured event is waited for");
  return event;
}

// A query makes some progress, so that polling ends.
cudaError_t query(bool is_done) {
  if (is_done) return scheduler().take_async_error();
  scheduler().make_some_progress();
  return cudaErrorNotReady;
}

}  // namespace

std::size_t vgpu::live_graphs() {
  return graphs().size() + executables().size();
}

// ---- Streams ----

VGPU_EXPORT cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return create_stream("cudaStreamCreate", stream, cudaStreamDefault);
}
VGPU_EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return create_stream("cudaStreamCreateWithFlags", stream, flags);
}
VGPU_EXPORT cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return guarded("cudaStreamDestroy", [&] {
    Stream& stream = stream_from(handle);
    if (!stream.from_program) return cudaErrorInvalidResourceHandle;
    scheduler().destroy_stream(stream);
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return guarded("cudaStreamSynchronize", [&] {
    scheduler().finish(waited_stream(handle));
    return scheduler().take_async_error();
  });
}
VGPU_EXPORT cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return guarded("cudaStreamQuery", [&] { return query(waited_stream(handle).queue.empty()); });
}
VGPU_EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  return guarded("cudaStreamWaitEvent",
                 [&] { return scheduler().wait_for(stream_from(handle), event_from(event)); });
}
VGPU_EXPORT cudaError_t cudaDeviceSynchronize() {
  return guarded("cudaDeviceSynchronize", [] {
    if (scheduler().unsafe_call_in_capture()) return cudaErrorStreamCaptureUnsupported;
    scheduler().finish_all();
    return scheduler().take_async_error();
  });
}
VGPU_EXPORT cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  return guarded("cudaLaunchHostFunc", [&] {
    scheduler().enqueue(stream_from(handle),
                        [function, data] { scheduler().without_lock([&] { function(data); }); });
  });
}

// ---- Events ----

VGPU_EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return create_event("cudaEventCreateWithFlags", event, flags);
}
VGPU_EXPORT cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return create_event("cudaEventCreate", event, cudaEventDefault);
}
VGPU_EXPORT cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return guarded("cudaEventDestroy", [&] {
    return scheduler().destroy_event(event) ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}
VGPU_EXPORT cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return guarded("cudaEventRecord",
                 [&] { scheduler().record(stream_from(stream), event_from(event)); });
}
VGPU_EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  return guarded("cudaEventSynchronize", [&] {
    scheduler().finish(waited_event(handle));
    return scheduler().take_async_error();
  });
}
VGPU_EXPORT cudaError_t cudaEventQuery(cudaEvent_t handle) {
  return guarded("cudaEventQuery", [&] {
    const std::shared_ptr<Event> event = waited_event(handle);
    return query(event->completed >= event->recorded);
  });
}
VGPU_EXPORT cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from,
                                             cudaEvent_t to) {
  return guarded("cudaEventElapsedTime", [&] {
    const std::shared_ptr<Event> first = event_from(from);
    const std::shared_ptr<Event> second = event_from(to);
    if (!first->has_timing || !second->has_timing || first->recorded == 0 || second->recorded == 0)
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
  return guarded("cudaStreamBeginCapture", [&] {
    return scheduler().begin_capture(stream_from(handle), mode != cudaStreamCaptureModeRelaxed);
  });
}
VGPU_EXPORT cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return guarded("cudaStreamEndCapture", [&] {
    *graph = nullptr;
    std::shared_ptr<Graph> captured;
    const cudaError_t error = scheduler().end_capture(stream_from(handle), captured);
    if (captured != nullptr) keep(graphs(), captured, graph);
    return error;
  });
}
VGPU_EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t handle,
                                              cudaStreamCaptureStatus* status) {
  return guarded("cudaStreamIsCapturing", [&] {
    const auto& capture = stream_from(handle).capture;
    *status = capture == nullptr   ? cudaStreamCaptureStatusNone
              : capture->is_broken ? cudaStreamCaptureStatusInvalidated
                                   : cudaStreamCaptureStatusActive;
  });
}
VGPU_EXPORT cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes,
                                          std::size_t* count) {
  return guarded("cudaGraphGetNodes", [&] {
    if (nodes != nullptr) return cudaErrorNotSupported;
    *count = graph_from(graphs(), graph)->nodes.size();
    return cudaSuccess;
  });
}
VGPU_EXPORT cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                             unsigned long long) {
  return guarded("cudaGraphInstantiate", [&] {
    keep(executables(), std::make_shared<Graph>(*graph_from(graphs(), graph)), executable);
  });
}
VGPU_EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  return guarded("cudaGraphLaunch", [&] {
    Stream& stream = stream_from(handle);
    const std::shared_ptr<Graph> graph = graph_from(executables(), executable);
    scheduler().enqueue(stream, [graph] { scheduler().run_graph(*graph); });
    scheduler().launched(stream, *graph);
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
