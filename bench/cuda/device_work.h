#pragma once
// Work on the GPU as a Subject: its arrays in device memory, and the function that enqueues it.

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/cuda/sampler.h"
#include "bench/harness/bench_device.h"
#include "engine/backend/cuda/runtime/device.h"
#include "engine/backend/cuda/runtime/resources.h"

namespace graft::bench {

// Shared by the GPU's cases, and outlives their subjects.
struct DeviceContext {
  cuda::Device& device;
  Sampler& sampler;
};

// Owner of arrays in device memory. Without a stream it allocates nothing, every pointer is null,
// and bytes() is the size that would be needed.
class Arrays {
 public:
  explicit Arrays(const cuda::Stream* stream) : stream_(stream) {}

  // Small finite numbers in every type.
  template <typename Value>
  Value* numbers(std::size_t count) {
    constexpr int byte = 0x3C;  // 0x3C3C is 1.06 as a half, 0.011 as a bfloat16
    return reinterpret_cast<Value*>(filled(count * sizeof(Value), byte));
  }
  template <typename Value>
  Value* zeros(std::size_t count) {
    return reinterpret_cast<Value*>(filled(count * sizeof(Value), 0));
  }
  // Waits for the copy.
  template <typename Value>
  Value* copied(std::span<const Value> values) {
    Value* array = zeros<Value>(values.size());
    if (stream_ != nullptr) {
      cuda::copy_to_device(array, values.data(), values.size_bytes(), *stream_);
      stream_->wait();
    }
    return array;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* filled(std::size_t bytes, int byte);

  const cuda::Stream* stream_;
  std::size_t bytes_ = 0;
  std::vector<cuda::DeviceBuffer> buffers_;
};

// Allocates arrays and returns the work on them. Called twice: to count bytes, then to allocate.
using MakeWork = std::function<Work(Arrays&)>;

// Checks the free memory, allocates, runs the work once, which loads its code, and probes it.
// Throws Error(device) with `name`.
std::unique_ptr<Subject> prepare_work(const DeviceContext& context, const std::string& name,
                                      const MakeWork& make);

}  // namespace graft::bench
