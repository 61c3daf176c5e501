#pragma once
// The operation graph of a cuDNN execution plan, read from the plan's JSON and computed on the host:
// convolution forward, addition and ReLU.
//
// Rounds where a device must: values in half types, as they are stored, and the float inputs of a
// convolution on tensor cores, to TF32.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libraries/device_numbers.h"

namespace vgpu {

struct Tensor {
  Number type = Number::f32;
  std::vector<std::int64_t> dims, strides;  // n, c, h, w
  bool is_virtual = false, is_by_value = false;
  void* pointer = nullptr;

  bool is_dense() const {  // in the order n, h, w, c without gaps
    const std::int64_t c = dims[1];
    return strides == std::vector<std::int64_t>{c * dims[2] * dims[3], 1, c * dims[3], c};
  }
  std::int64_t count() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
  std::size_t span() const {  // bytes from the first to the last element
    std::int64_t last = 0;
    for (int n = 0; n < 4; ++n) last += (dims[n] - 1) * strides[n];
    return static_cast<std::size_t>(last + 1) * bytes_of(type);
  }
};

class CudnnGraph {
 public:
  // `pointers`: by the tensors' unique ids. Throws std::exception for what cannot be computed here.
  CudnnGraph(const std::string& plan_json, bool on_tensor_cores,
             const std::map<std::int64_t, void*>& pointers);
  // saturates: stores at most 65504 in a half. Throws Failure.
  void compute(bool saturates) const;

 private:
  bool on_tensor_cores_;
  std::map<std::string, Tensor> tensors_;
  std::vector<nlohmann::json> nodes_;
};

}  // namespace vgpu
