#pragma once
// Which program this is: for results that are kept, and for --version.

#include "bench/harness/measurement.h"

namespace graft::program {

bench::BuildIdentity build_identity();

}  // namespace graft::program
