#include "engine/backend/cuda_module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "engine/base/error.h"

namespace graft {

void* load_cuda_library(const std::string& file, const char* symbol) {
  if (!GRAFT_HAS_CUDA) {
    throw Error(ErrorKind::device, "this program was built without the CUDA toolkit");
  }
  // Found in the program's folder by its run path. Never closed: its objects may live to the end.
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const std::string reason = dlerror();
    const bool is_ours = reason.starts_with(file + ": cannot open");
    throw Error(ErrorKind::device,
                fmt::format("{} cannot be loaded ({}); {}", file, reason,
                            is_ours ? "keep that library in the folder of the program"
                                    : "install that library, of CUDA 13 or of cuDNN 9, or name its "
                                      "folder in LD_LIBRARY_PATH"));
  }
  void* const entry = dlsym(library, symbol);
  if (entry == nullptr) {
    throw Error(ErrorKind::device,
                fmt::format("{} is not of this version of the program; build both together", file));
  }
  return entry;
}

const CudaModule& cuda_module() {
  using Entry = const CudaModule*();
  static const CudaModule& loaded =
      *reinterpret_cast<Entry*>(load_cuda_library("libgraft_cuda.so", "graft_cuda_module_1"))();
  return loaded;
}

}  // namespace graft
