#pragma once
// Work on the GPU as a Subject: its arrays in device memory, and what enqueues it.

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/cuda/sampler.h"
#include "bench/harness/bench_device.h"
#include "engine/backend/cuda/device.h"
#include "engine/backend/cuda/resources.h"

namespace graft::bench {

// What the suites on the GPU share; borrowed, and longer there than their subjects.
struct DeviceContext {
  cuda::Device& device;
  Sampler& sampler;
};

// Arrays in device memory, for as long as this lives. Without a stream nothing is taken, every
// pointer is null, and bytes() says what would be: sizes are known before memory is taken.
class Arrays {
 public:
  explicit Arrays(const cuda::Stream* stream) : stream_(stream) {}

  // Small finite numbers, whatever type they are read as.
  template <typename Value>
  Value* numbers(std::size_t count) {
    constexpr int byte = 0x3C;  // 0x3C3C is 1.06 as a half, 0.011 as a bfloat16
    return reinterpret_cast<Value*>(filled(count * sizeof(Value), byte));
  }
  template <typename Value>
  Value* zeros(std::size_t count) {
    return reinterpret_cast<Value*>(filled(count * sizeof(Value), 0));
  }
  // `values` may be gone when this returns.
  template <typename Value>
  Value* copied(std::span<const Value> values) {
    Value* array = zeros<Value>(values.size());
    if (stream_ != nullptr) {
      cuda::copy_to_device(buffers_.back(), values, *stream_);
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

// Takes arrays and says what runs on them. Called twice: without memory, then with it.
using MakeWork = std::function<Work(Arrays&)>;

// Checks that the memory is there, takes it, and runs the work once, which loads its code. Throws
// Error(device) with a sentence that names `name` otherwise.
std::unique_ptr<Subject> prepare_work(const DeviceContext& context, const std::string& name,
                                      const MakeWork& make);

}  // namespace graft::bench
