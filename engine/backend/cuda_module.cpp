#include "engine/backend/cuda_module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "engine/base/error.h"

namespace graft {

const CudaModule& cuda_module() {
  if (!GRAFT_HAS_CUDA) {
    throw Error(ErrorKind::device, "this program was built without the CUDA toolkit");
  }
  // Found in the program's folder by its run path. Never closed: its objects may live to the end.
  static constexpr const char* file = "libgraft_cuda.so";
  void* const library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const std::string reason = dlerror();
    const bool is_ours = reason.starts_with(std::string(file) + ": cannot open");
    throw Error(ErrorKind::device,
                fmt::format("{} cannot be loaded ({}); {}", file, reason,
                            is_ours ? "keep that library in the folder of the program"
                                    : "install that library, of CUDA 13 or of cuDNN 9, or name its "
                                      "folder in LD_LIBRARY_PATH"));
  }
  using Entry = const CudaModule*();
  const auto entry = reinterpret_cast<Entry*>(dlsym(library, "graft_cuda_module_1"));
  if (entry == nullptr) {
    throw Error(ErrorKind::device,
                fmt::format("{} is not of this version of the program; build both together", file));
  }
  return *entry();
}

}  // namespace graft
