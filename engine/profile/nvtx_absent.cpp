// The NVTX tracer of a build without NVTX's headers.

#include "engine/base/error.h"
#include "engine/profile/nvtx_tracer.h"

namespace graft {

bool has_nvtx() {
  return false;
}

std::unique_ptr<Tracer> make_nvtx_tracer() {
  throw Error(
      ErrorKind::usage,
      "--nvtx: this program was built without NVTX; install the CUDA toolkit, whose include "
      "folder has its headers (nvtx3), and build again");
}

}  // namespace graft
