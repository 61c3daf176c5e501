#pragma once
// What the tests share: device arrays, checked calls, and the virtual GPU's own functions, which
// are absent on a real one.

#include <cuda_runtime.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "vgpu.h"

inline void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess)
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}
#define CHECKED(call) check((call), #call)

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count) : count_(count) {
    CHECKED(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)));
  }
  explicit DeviceArray(const std::vector<T>& host) : DeviceArray(host.size()) {
    CHECKED(cudaMemcpy(data_, host.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  T* get() const { return data_; }
  std::size_t count() const { return count_; }
  std::vector<T> host() const {
    std::vector<T> values(count_);
    CHECKED(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

// A function of vgpu.h, or nullptr on a real GPU.
template <class F>
F* vgpu_function(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_DEFAULT, name));
}
#define VGPU(function) (vgpu_function<decltype(function)>(#function))

#define NEEDS_VIRTUAL_GPU() \
  if (VGPU(vgpu_error_count) == nullptr) GTEST_SKIP() << "asks the virtual GPU itself"

// All errors that were found, one a line; they are cleared, and the device made usable again.
inline std::string take_errors() {
  std::string text;
  for (int n = 0; n < VGPU(vgpu_error_count)(); ++n)
    text += std::string(VGPU(vgpu_error_text)(n)) + "\n";
  VGPU(vgpu_revive)();
  VGPU(vgpu_clear_errors)();
  return text;
}
