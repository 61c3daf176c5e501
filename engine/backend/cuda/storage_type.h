#pragma once
// From a Precision to the type that its activations and weights are stored in.

#include "engine/config/config.h"
#include "kernels/cuda/storage.h"

namespace graft::cuda {

// Calls body(T{}) with T the storage type, and returns what it returns.
template <typename Body>
decltype(auto) with_storage_type(Precision precision, const Body& body) {
  if (precision == Precision::fp16) return body(__half{});
  if (precision == Precision::bf16) return body(__nv_bfloat16{});
  return body(float{});
}

}  // namespace graft::cuda
