#include "engine/backend/cuda_devices.h"

namespace graft {

std::string why_no_cuda() {
  return "this program was built without the CUDA toolkit";
}

}  // namespace graft
