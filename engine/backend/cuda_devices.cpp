#include "engine/backend/cuda_devices.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

namespace graft {

std::string why_no_cuda() {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaErrorInsufficientDriver) {
    int driver = 0;
    if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0) {
      return "this machine has no NVIDIA driver";
    }
    return "the NVIDIA driver of this machine is older than the CUDA runtime of this program";
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && devices == 0)) {
    return "this machine has no NVIDIA GPU";
  }
  if (status != cudaSuccess) {
    return fmt::format("the CUDA runtime answers \"{}\"", cudaGetErrorString(status));
  }
  return fmt::format("this machine has {} GPU{}, but this version has no CUDA kernels yet", devices,
                     devices == 1 ? "" : "s");
}

}  // namespace graft
