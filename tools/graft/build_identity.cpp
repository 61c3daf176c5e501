#include "tools/graft/build_identity.h"

#include <fmt/format.h>

#include "graft_build.h"  // made by cmake/build_identity.cmake

namespace graft::program {
namespace {

std::string compiler() {
#if defined(__clang__)
  return fmt::format("Clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

}  // namespace

BuildIdentity build_identity() {
  return {GRAFT_VERSION, GRAFT_COMMIT, GRAFT_DIRTY, compiler(), GRAFT_BUILD_TYPE};
}

}  // namespace graft::program
