#include "tools/graft/build_identity.h"

#include <fmt/format.h>

#include "graft_build.h"  // made by cmake/build_identity.cmake

namespace graft::program {

BuildIdentity build_identity() {
#if defined(__clang__)
  const std::string compiler =
      fmt::format("Clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  const std::string compiler =
      fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
  return {GRAFT_VERSION, GRAFT_COMMIT, GRAFT_DIRTY, compiler, GRAFT_BUILD_TYPE};
}

}  // namespace graft::program
