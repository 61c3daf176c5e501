#!/usr/bin/env bash
# Runs the program with faults of the system around it: failing calls, kills and power cuts, each at
# every moment. Prints a table; see tests/faults/faults.py. All of it takes some hours.
#   tools/faults.sh [--most N] [SCENARIO...]   --most: N moments of each fault
. "$(dirname "$0")/common.sh"

"$project/tools/install_deps.sh" build test
step "building the program (the log is in build/release/build.log)"
build_preset release ON graft graft_faults
export GRAFT_PROGRAM=$project/build/release/graft
export GRAFT_FAULTS_SHIM=$project/build/release/tests/faults/libgraft_faults.so
export GRAFT_REFERENCE_DIR=${GRAFT_REFERENCE_DIR:-$project/../shared}
exec python3 -B "$project/tests/faults/faults.py" "$@"
