#pragma once
// The types that tensor cores multiply, with a word filled with ones of each.

#include <cstdint>
#include <stdexcept>
#include <string>

#include "engine/config/config.h"
#include "kernels/cuda/storage.h"

namespace graft::bench {

// Calls launch(a value of the type, the word). Throws std::invalid_argument, with the name of the
// kernel, for a precision other than tf32, fp16 and bf16.
template <typename Launch>
void with_tensor_core_type(Precision precision, const std::string& kernel, const Launch& launch) {
  switch (precision) {
    case Precision::fp16:
      return launch(__half(), 0x3C003C00U);
    case Precision::bf16:
      return launch(__nv_bfloat16(), 0x3F803F80U);
    case Precision::tf32:
      return launch(float(), 0x3F800000U);
    default:
      throw std::invalid_argument(kernel + ": expected tf32, fp16 or bf16");
  }
}

}  // namespace graft::bench
