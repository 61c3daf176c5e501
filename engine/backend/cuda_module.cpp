#include "engine/backend/cuda_module.h"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

#include "engine/base/error.h"
#include "engine/base/text.h"

namespace graft {

const CudaModule& cuda_module() {
  if (!GRAFT_HAS_CUDA) {
    throw Error(ErrorKind::device, "this program was built without the CUDA toolkit");
  }
  // By its full path, so that no LD_LIBRARY_PATH brings another. Never closed: its objects may live
  // to the end.
  std::error_code unknown;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  const std::filesystem::path file = program.parent_path() / "libgraft_cuda.so";
  void* const library = unknown ? nullptr : dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const std::string reason =
        unknown ? "/proc/self/exe: " + unknown.message() : std::string(dlerror());
    const bool is_ours = reason.starts_with(file.string() + ": cannot open");
    throw Error(ErrorKind::device, "{} cannot be loaded ({}); {}", shown(file), printable(reason),
                is_ours ? "keep that library in the folder of the program"
                        : "install that library, of CUDA 13 or of cuDNN 9, or name its folder in "
                          "LD_LIBRARY_PATH");
  }
  using Entry = const CudaModule*();
  const auto entry = reinterpret_cast<Entry*>(dlsym(library, "graft_cuda_module_2"));
  if (entry == nullptr) {
    throw Error(ErrorKind::device, "{} is not of this version of the program; build both together",
                shown(file));
  }
  return *entry();
}

}  // namespace graft
