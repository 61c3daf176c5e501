#pragma once
// A launch, a call or a queued operation that cannot go on, with the error that the program sees.

#include <driver_types.h>

#include <stdexcept>
#include <string>

namespace vgpu {

class Failure : public std::runtime_error {
 public:
  Failure(cudaError_t error, const std::string& what) : std::runtime_error(what), code(error) {}
  cudaError_t code;
};

}  // namespace vgpu
