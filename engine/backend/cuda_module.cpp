#include "engine/backend/cuda_module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "engine/base/error.h"

namespace graft {
namespace {

const CudaModule& load() {
  if (!GRAFT_HAS_CUDA) {
    throw Error(ErrorKind::device, "this program was built without the CUDA toolkit");
  }
  // Found beside the program, by its run path. Never closed: what it made may live to the end.
  void* library = dlopen("libgraft_cuda.so", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const std::string reason = dlerror();
    const bool is_ours = reason.starts_with("libgraft_cuda.so: cannot open");
    throw Error(ErrorKind::device,
                fmt::format("the CUDA backend cannot be loaded ({}); {}", reason,
                            is_ours ? "keep that library beside the program"
                                    : "install that library, of CUDA 13 or of cuDNN 9, or name its "
                                      "folder in LD_LIBRARY_PATH"));
  }
  const auto entry =
      reinterpret_cast<const CudaModule* (*)()>(dlsym(library, "graft_cuda_module_1"));
  if (entry == nullptr) {
    throw Error(ErrorKind::device,
                "libgraft_cuda.so is not of this version of the program; build both together");
  }
  return *entry();
}

}  // namespace

const CudaModule& cuda_module() {
  static const CudaModule& loaded = load();
  return loaded;
}

}  // namespace graft
