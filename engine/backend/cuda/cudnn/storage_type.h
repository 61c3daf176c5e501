#pragma once
// The type that activations and weights are stored in, for C++ and for cuDNN.

#include <cudnn_graph.h>

#include "engine/vgg16/vgg16.h"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

// Calls body(T{}) with T the storage type, and returns its result.
template <typename Body>
decltype(auto) with_storage_type(Precision precision, const Body& body) {
  if (precision == Precision::fp16) return body(__half{});
  if (precision == Precision::bf16) return body(__nv_bfloat16{});
  return body(float{});
}

struct CudnnType {
  cudnnDataType_t type;
  const char* name;  // in a serialised plan
};
constexpr CudnnType cudnn_storage_type(Precision precision) {
  if (precision == Precision::fp16) return {CUDNN_DATA_HALF, "CUDNN_DATA_HALF"};
  if (precision == Precision::bf16) return {CUDNN_DATA_BFLOAT16, "CUDNN_DATA_BFLOAT16"};
  return {CUDNN_DATA_FLOAT, "CUDNN_DATA_FLOAT"};
}

}  // namespace graft::cuda
