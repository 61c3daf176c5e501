#pragma once
// Owners of memory and handles of the CUDA runtime. All are move-only, throw Failure when they
// cannot get it, and never throw when they release it. They belong to the device that is current
// when they are made.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>

#include "kernels/cuda/check.h"

namespace graft::cuda {

// For a release that fails: nobody can do anything about it. Also clears the error: the check after
// the next launch would find it and blame the kernel.
inline void ignore(cudaError_t code) {
  if (code != cudaSuccess) static_cast<void>(cudaGetLastError());
}

// Runs `work` and returns its result, or nothing when memory was refused. Other failures go on.
template <typename Work>
auto if_memory_allows(const Work& work) -> std::optional<decltype(work())> {
  try {
    return work();
  } catch (const Failure& failure) {
    if (failure.code() != cudaErrorMemoryAllocation) throw;
    ignore(failure.code());  // or the next launch would report it
    return std::nullopt;
  }
}

// Owner of a handle of CUDA's, cuBLAS' or cuDNN's, with the library's function that destroys it.
template <auto destroy>
struct Destroy {
  template <typename Handle>
  void operator()(Handle* handle) const {
    if constexpr (std::is_same_v<decltype(destroy(handle)), cudaError_t>) {
      ignore(destroy(handle));
    } else {
      static_cast<void>(destroy(handle));
    }
  }
};
template <typename Handle, auto destroy>
using Owner = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<destroy>>;

// Unwritten memory of `allocate`; `release` gives it back.
template <std::byte* (*allocate)(std::size_t bytes), cudaError_t (*release_memory)(void*)>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes)
      : data_(bytes == 0 ? nullptr : allocate(bytes)), size_(bytes) {}
  std::byte* data() const { return data_.get(); }
  template <typename Value>
  Value* as() const {
    return reinterpret_cast<Value*>(data_.get());
  }
  std::size_t size() const { return size_; }  // bytes
  std::byte* release() { return data_.release(); }

 private:
  Owner<std::byte*, release_memory> data_;
  std::size_t size_ = 0;
};

inline std::byte* allocate_device(std::size_t bytes) {
  void* data = nullptr;
  GRAFT_CUDA_CHECK(cudaMalloc(&data, bytes));
  return static_cast<std::byte*>(data);
}
// Host memory that the device copies from and to at full speed. Pinned for every device.
inline std::byte* allocate_pinned(std::size_t bytes) {
  void* data = nullptr;
  GRAFT_CUDA_CHECK(cudaHostAlloc(&data, bytes, cudaHostAllocPortable));
  return static_cast<std::byte*>(data);
}
using DeviceBuffer = Buffer<allocate_device, cudaFree>;  // its release waits for the device
using PinnedBuffer = Buffer<allocate_pinned, cudaFreeHost>;

// A stream that the legacy stream neither waits for nor blocks.
class Stream {
 public:
  Stream() {
    cudaStream_t stream = nullptr;
    GRAFT_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    stream_.reset(stream);
  }
  cudaStream_t get() const { return stream_.get(); }
  void wait() const { GRAFT_CUDA_CHECK(cudaStreamSynchronize(stream_.get())); }

 private:
  Owner<cudaStream_t, cudaStreamDestroy> stream_;
};

// A point in a stream. An event that was never recorded counts as reached. A host that waits for
// one without timing sleeps: the processor is for decoding.
class Event {
 public:
  enum class Timing { off, on };
  explicit Event(Timing timing = Timing::off) {
    cudaEvent_t event = nullptr;
    GRAFT_CUDA_CHECK(cudaEventCreateWithFlags(
        &event,
        timing == Timing::on ? cudaEventDefault : cudaEventDisableTiming | cudaEventBlockingSync));
    event_.reset(event);
  }
  cudaEvent_t get() const { return event_.get(); }
  void record(const Stream& stream) {
    GRAFT_CUDA_CHECK(cudaEventRecord(event_.get(), stream.get()));
  }
  // Work that is enqueued into `stream` from now on runs after this point. The host does not wait.
  void hold(const Stream& stream) const {
    GRAFT_CUDA_CHECK(cudaStreamWaitEvent(stream.get(), event_.get(), 0));
  }
  // The host waits.
  void wait() const { GRAFT_CUDA_CHECK(cudaEventSynchronize(event_.get())); }
  // Both with timing, and reached.
  float milliseconds_since(const Event& begin) const {
    float milliseconds = 0.0F;
    GRAFT_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin.get(), event_.get()));
    return milliseconds;
  }

 private:
  Owner<cudaEvent_t, cudaEventDestroy> event_;
};

// A CUDA graph: work that is captured once and launched with one call.
class Graph {
 public:
  // `work` enqueues into `stream` and must not wait for anything; it runs when launch() is called.
  template <typename Work>
  Graph(const Stream& stream, const Work& work) {
    GRAFT_CUDA_CHECK(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
    const Captured captured = capture(stream, work);
    GRAFT_CUDA_CHECK(cudaGraphGetNodes(captured.get(), nullptr, &nodes_));
    cudaGraphExec_t executable = nullptr;
    GRAFT_CUDA_CHECK(cudaGraphInstantiate(&executable, captured.get(), 0));
    executable_.reset(executable);
  }
  void launch(const Stream& stream) const {
    GRAFT_CUDA_CHECK(cudaGraphLaunch(executable_.get(), stream.get()));
  }
  std::size_t nodes() const { return nodes_; }  // kernels, copies and memsets that were captured

 private:
  using Captured = Owner<cudaGraph_t, cudaGraphDestroy>;

  // Ends the capture whatever happens: a stream in capture can do nothing else.
  template <typename Work>
  static Captured capture(const Stream& stream, const Work& work) {
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      ignore(cudaStreamEndCapture(stream.get(), &graph));
      const Captured incomplete(graph);
      throw;
    }
    const cudaError_t ended = cudaStreamEndCapture(stream.get(), &graph);
    if (ended != cudaSuccess) ignore(cudaStreamEndCapture(stream.get(), &graph));  // still in it
    Captured captured(graph);
    check(ended, "cudaStreamEndCapture(stream, &graph)", __FILE__, __LINE__);
    return captured;
  }

  Owner<cudaGraphExec_t, cudaGraphExecDestroy> executable_;
  std::size_t nodes_ = 0;
};

// Copies in the order of the stream. The host's memory must stay as it is until the copy is done.
inline void copy_to_device(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  GRAFT_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream.get()));
}
inline void copy_to_host(void* to, const void* from, std::size_t bytes, const Stream& stream) {
  if (bytes == 0) return;
  GRAFT_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream.get()));
}

}  // namespace graft::cuda
