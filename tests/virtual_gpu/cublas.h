#pragma once
// What cuBLAS's and cuBLASLt's stand-ins share: a general matrix product of device arrays.

#include <cublas_v2.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "device_numbers.h"

namespace vgpu {

// A column-major matrix in device memory; `transposed` says how it is used.
struct DeviceMatrix {
  const void* data = nullptr;
  Number type = Number::f32;
  std::int64_t ld = 0;
  bool transposed = false;
};

// alpha or beta: a value, or where it is on the device.
struct Scalar {
  float value = 0;
  const void* device = nullptr;
  float get() const;
};

// op(A) · op(B) as a column-major m × n matrix of floats with ld = m.
std::vector<float> device_product(const std::string& who, std::int64_t m, std::int64_t n,
                                  std::int64_t k, const DeviceMatrix& a, const DeviceMatrix& b);

// Element (row, column) of op(matrix), rows × columns, read as floats into a function. Checks that
// all of it is there and written.
std::function<float(std::int64_t, std::int64_t)> device_elements(const std::string& who,
                                                                 const DeviceMatrix& matrix,
                                                                 std::int64_t rows,
                                                                 std::int64_t columns);

// C ← combine(row, column, old C), where C is m × n; old values are read only where `reads`.
void device_update(const std::string& who, void* c, Number type, std::int64_t m, std::int64_t n,
                   std::int64_t ld, bool reads,
                   const std::function<float(std::int64_t, std::int64_t, float)>& combine);

bool number_from(cudaDataType_t type, Number& number);

// Enqueues `work` into the stream; it may throw LaunchFailure.
cublasStatus_t enqueue_blas(cudaStream_t stream, std::function<void()> work);
void count_handle(int change);  // for the leak check

}  // namespace vgpu
