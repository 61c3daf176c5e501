#pragma once
// What the tests of the GPU's kernels share. One body runs on a real GPU, and on the virtual one,
// whose findings (accesses out of bounds, unwritten memory, races) then count as failures.

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/cuda/check.h"
#include "kernels/cuda/storage.h"
#include "tests/support/support.h"
#include "tests/virtual_gpu/vgpu.h"

namespace graft::test {

// A function of vgpu.h, or null on a real GPU.
template <typename Function>
Function* virtual_gpu_function(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}
#define GRAFT_VIRTUAL_GPU(function) \
  (::graft::test::virtual_gpu_function<decltype(::function)>(#function))

inline bool on_virtual_gpu() {
  return GRAFT_VIRTUAL_GPU(vgpu_error_count) != nullptr;
}

// Fails the test for each finding of the virtual GPU, and resets it.
inline void expect_no_findings() {
  if (!on_virtual_gpu()) return;
  for (int n = 0; n < GRAFT_VIRTUAL_GPU(vgpu_error_count)(); ++n) {
    ADD_FAILURE() << "the virtual GPU found " << GRAFT_VIRTUAL_GPU(vgpu_error_text)(n);
  }
  GRAFT_VIRTUAL_GPU(vgpu_revive)();
  GRAFT_VIRTUAL_GPU(vgpu_clear_errors)();
}

class CudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
      GTEST_SKIP() << "no GPU on this machine";
    }
  }
  void TearDown() override { expect_no_findings(); }
};

template <typename T>
class CudaStorageTest : public CudaTest {};
using StorageTypes = ::testing::Types<float, __half, __nv_bfloat16>;

template <typename T>
T to_storage(float value) {
  if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(value);
  } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(value);
  } else {
    return value;
  }
}
inline float to_number(float value) {
  return value;
}
inline float to_number(__half value) {
  return __half2float(value);
}
inline float to_number(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <typename T>
std::vector<T> stored(const std::vector<float>& values) {
  std::vector<T> out(values.size());
  std::ranges::transform(values, out.begin(), to_storage<T>);
  return out;
}
template <typename T>
std::vector<float> numbers(const std::vector<T>& values) {
  std::vector<float> out(values.size());
  std::ranges::transform(values, out.begin(), [](T value) { return to_number(value); });
  return out;
}
// The values as T keeps them.
template <typename T>
std::vector<float> rounded(const std::vector<float>& values) {
  return numbers<T>(stored<T>(values));
}

// Values on the device that begin `offset` values behind a 256-byte boundary. On the virtual GPU
// the allocation ends with them, so that it finds an access beyond; what lies before them, and on a
// real GPU behind them, is a guard.
template <typename T>
class DeviceArray {
 public:
  // Left unwritten.
  explicit DeviceArray(std::size_t count, std::size_t offset = 0)
      : offset_(offset), count_(count), back_(on_virtual_gpu() ? 0 : 64) {
    const std::size_t bytes = std::max<std::size_t>(offset_ + count_ + back_, 1) * sizeof(T);
    GRAFT_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data_), bytes));
    if (offset_ != 0) GRAFT_CUDA_CHECK(cudaMemset(data_, guard, offset_ * sizeof(T)));
    if (back_ != 0) GRAFT_CUDA_CHECK(cudaMemset(get() + count_, guard, back_ * sizeof(T)));
  }
  explicit DeviceArray(const std::vector<T>& values, std::size_t offset = 0)
      : DeviceArray(values.size(), offset) {
    if (values.empty()) return;
    GRAFT_CUDA_CHECK(cudaMemcpy(get(), values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* get() const { return data_ + offset_; }
  std::vector<T> host() const { return copied(get(), count_); }
  bool guards_intact() const {
    return untouched(copied(data_, offset_)) && untouched(copied(get() + count_, back_));
  }

 private:
  static constexpr int guard = 0x5A;
  static std::vector<T> copied(const T* from, std::size_t count) {
    std::vector<T> values(count);
    if (count != 0) {
      GRAFT_CUDA_CHECK(cudaMemcpy(values.data(), from, count * sizeof(T), cudaMemcpyDeviceToHost));
    }
    return values;
  }
  static bool untouched(const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{guard}; });
  }

  T* data_ = nullptr;
  std::size_t offset_ = 0, count_ = 0, back_ = 0;
};

inline std::vector<float> random_numbers(std::size_t count, std::uint32_t seed,
                                         float scale = 1.0F) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

// Random numbers with NaN, both infinities and both zeros among them.
inline std::vector<float> odd_numbers(std::size_t count, std::uint32_t seed) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> values = random_numbers(count, seed);
  const float odd[] = {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, 0.0F, -0.0F};
  std::size_t at = seed % 3;
  for (const float value : odd) {
    if (at < count) values[at] = value;
    at += 3;
  }
  return values;
}

}  // namespace graft::test
