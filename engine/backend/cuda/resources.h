#pragma once
// Owners of what the CUDA runtime hands out. All are move-only, throw Failure when they cannot get
// it, and never throw when they give it back. Memory and handles belong to the device that is
// current when they are made.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "kernels/cuda/check.h"

namespace graft::cuda {

// For calls that give something back, where nobody can do anything about a refusal. Takes the error
// back too: the check after the next launch would find it and blame the kernel.
inline void ignore(cudaError_t code) {
  if (code != cudaSuccess) static_cast<void>(cudaGetLastError());
}

// Device memory, unwritten. Giving it back waits for the device.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t bytes) : size_(bytes) {
    void* data = nullptr;
    if (bytes != 0) GRAFT_CUDA_CHECK(cudaMalloc(&data, bytes));
    data_.reset(static_cast<std::byte*>(data));
  }
  std::byte* data() const { return data_.get(); }
  template <typename Value>
  Value* as() const {
    return reinterpret_cast<Value*>(data_.get());
  }
  std::size_t size() const { return size_; }  // bytes

 private:
  struct Free {
    void operator()(std::byte* data) const { ignore(cudaFree(data)); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

// Host memory that the device copies from and to at full speed, unwritten. Pinned for every device.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::size_t bytes) : size_(bytes) {
    void* data = nullptr;
    if (bytes != 0) GRAFT_CUDA_CHECK(cudaHostAlloc(&data, bytes, cudaHostAllocPortable));
    data_.reset(static_cast<std::byte*>(data));
  }
  std::byte* data() const { return data_.get(); }
  template <typename Value>
  Value* as() const {
    return reinterpret_cast<Value*>(data_.get());
  }
  std::size_t size() const { return size_; }  // bytes
  std::byte* release() { return data_.release(); }

 private:
  struct Free {
    void operator()(std::byte* data) const { ignore(cudaFreeHost(data)); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

// A queue of work of its own, that the legacy stream neither waits for nor blocks.
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
  struct Destroy {
    void operator()(cudaStream_t stream) const { ignore(cudaStreamDestroy(stream)); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaStream_t>, Destroy> stream_;
};

// A point in a stream. One that was never recorded counts as reached. A host that waits for one
// without timing sleeps: the processor is for decoding.
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
  // What comes into `stream` from now on runs after this point. The host does not wait.
  void hold(const Stream& stream) const {
    GRAFT_CUDA_CHECK(cudaStreamWaitEvent(stream.get(), event_.get(), 0));
  }
  // The host waits.
  void wait() const { GRAFT_CUDA_CHECK(cudaEventSynchronize(event_.get())); }

 private:
  struct Destroy {
    void operator()(cudaEvent_t event) const { ignore(cudaEventDestroy(event)); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, Destroy> event_;
};

// Work that was written down once and is started with one call.
class Graph {
 public:
  Graph() = default;
  // `work` enqueues into `stream` and must not wait for anything; it runs when launch() is called.
  template <typename Work>
  Graph(const Stream& stream, Work&& work) {
    GRAFT_CUDA_CHECK(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
    const Recording recording = record(stream, std::forward<Work>(work));
    cudaGraphExec_t executable = nullptr;
    GRAFT_CUDA_CHECK(cudaGraphInstantiate(&executable, recording.get(), 0));
    executable_.reset(executable);
  }
  void launch(const Stream& stream) const {
    GRAFT_CUDA_CHECK(cudaGraphLaunch(executable_.get(), stream.get()));
  }

 private:
  struct DestroyRecording {
    void operator()(cudaGraph_t graph) const { ignore(cudaGraphDestroy(graph)); }
  };
  struct DestroyExecutable {
    void operator()(cudaGraphExec_t graph) const { ignore(cudaGraphExecDestroy(graph)); }
  };
  using Recording = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, DestroyRecording>;

  // Ends the capture whatever happens: a stream that stays in it can do nothing else.
  template <typename Work>
  static Recording record(const Stream& stream, Work&& work) {
    cudaGraph_t graph = nullptr;
    try {
      std::forward<Work>(work)();
    } catch (...) {
      ignore(cudaStreamEndCapture(stream.get(), &graph));
      const Recording incomplete(graph);
      throw;
    }
    const cudaError_t ended = cudaStreamEndCapture(stream.get(), &graph);
    if (ended != cudaSuccess) ignore(cudaStreamEndCapture(stream.get(), &graph));  // still in it
    Recording recording(graph);
    check(ended, "cudaStreamEndCapture(stream, &graph)", __FILE__, __LINE__);
    return recording;
  }

  std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, DestroyExecutable> executable_;
};

// Copies into and out of device memory, in the stream. `from` and `to` must stay as they are until
// the stream has come past.
template <typename Value>
void copy_to_device(const DeviceBuffer& to, std::span<const Value> from, const Stream& stream) {
  if (from.empty()) return;
  GRAFT_CUDA_CHECK(cudaMemcpyAsync(to.data(), from.data(), from.size_bytes(),
                                   cudaMemcpyHostToDevice, stream.get()));
}
template <typename Value>
void copy_to_host(std::span<Value> to, const DeviceBuffer& from, const Stream& stream) {
  if (to.empty()) return;
  GRAFT_CUDA_CHECK(cudaMemcpyAsync(to.data(), from.data(), to.size_bytes(), cudaMemcpyDeviceToHost,
                                   stream.get()));
}

}  // namespace graft::cuda
