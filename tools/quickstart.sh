#!/usr/bin/env bash
# From a fresh clone on Debian 12 to a trained classifier: installs what building needs, builds, fetches weights
# and photos, and runs configs/solar_cells.json. A second call does only what is missing. Installing needs root
# or sudo.
. "$(dirname "$0")/common.sh"

"$project/tools/install_deps.sh" build
step "building (the log is in build/release/build.log)"
build_preset release OFF graft
"$project/tools/fetch_weights.sh"
"$project/tools/fetch_solar_cells.sh"
step "running: build/release/graft run configs/solar_cells.json"
cd "$project"
build/release/graft run configs/solar_cells.json
