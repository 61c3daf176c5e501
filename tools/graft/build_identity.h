#pragma once
// The identity of this build, for --version and for saved results.

#include <string>

namespace graft::program {

struct BuildIdentity {
  std::string version, commit;  // "0.1.0"; an empty commit: not known
  bool dirty = false;           // the tree had uncommitted changes
  std::string compiler, build_type;
};
BuildIdentity build_identity();

}  // namespace graft::program
