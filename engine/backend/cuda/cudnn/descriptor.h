#pragma once
// cuDNN's backend API in C++: a check for its calls, and an owner of a descriptor.

#include <cudnn_graph.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/backend/cuda/runtime/errors.h"

namespace graft::cuda {

inline void check_cudnn(cudnnStatus_t status, std::string_view expression, std::string_view file,
                        int line) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  // cuDNN's explanation may have lines of advice: the first line is kept.
  char last[1024] = {};
  cudnnGetLastErrorString(last, sizeof last);
  std::string_view meaning = last;
  meaning = meaning.substr(0, meaning.find('\n'));
  throw LibraryFailure({static_cast<int>(status), cudnnGetErrorString(status), meaning}, expression,
                       file, line);
}

// Throws LibraryFailure when `expression`, a call that returns cudnnStatus_t, does not succeed.
#define GRAFT_CUDNN_CHECK(expression) \
  ::graft::cuda::check_cudnn((expression), #expression, __FILE__, __LINE__)

// Whether cuDNN does not have what was asked for, as against an error.
inline bool is_not_supported(int code) {
  return CUDNN_STATUS_CATEGORY(code) == CUDNN_STATUS_NOT_SUPPORTED;
}

// Move-only. Attributes are set, then finalize() checks them together.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    GRAFT_CUDNN_CHECK(cudnnBackendCreateDescriptor(type, &descriptor_));
  }
  ~Descriptor() {
    if (descriptor_ != nullptr) cudnnBackendDestroyDescriptor(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  cudnnBackendDescriptor_t get() const { return descriptor_; }
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  std::int64_t count, const void* values) {
    GRAFT_CUDNN_CHECK(cudnnBackendSetAttribute(descriptor_, name, type, count, values));
    return *this;
  }
  template <typename Value>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  std::initializer_list<Value> values) {
    return set(name, type, static_cast<std::int64_t>(values.size()), values.begin());
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, {other.descriptor_});
  }
  Descriptor& finalize() {
    GRAFT_CUDNN_CHECK(cudnnBackendFinalize(descriptor_));
    return *this;
  }

  // Writes up to `most` values of the attribute. Returns how many it has.
  std::int64_t read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    std::int64_t most, void* values) const {
    std::int64_t count = 0;
    GRAFT_CUDNN_CHECK(cudnnBackendGetAttribute(descriptor_, name, type, most, &count, values));
    return count;
  }
  // All of them, up to `most`.
  template <typename Value>
  std::vector<Value> values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                            std::size_t most) const {
    std::vector<Value> all(most);
    const std::int64_t count = read(name, type, static_cast<std::int64_t>(most), all.data());
    all.resize(std::min(most, static_cast<std::size_t>(count)));
    return all;
  }

 private:
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace graft::cuda
