#!/usr/bin/env bash
# From a fresh clone on Debian 12 to a trained classifier: installs, builds, fetches weights and photos,
# runs configs/solar_cells.json. Run again, it does only what is missing. Needs root or sudo once.
. "$(dirname "$0")/common.sh"

"$project/tools/install_deps.sh"
step "building (the log is in build/release/build.log)"
build_preset release graft
"$project/tools/fetch_weights.sh"
"$project/tools/fetch_solar_cells.sh"
step "running: build/release/graft run configs/solar_cells.json"
cd "$project"
build/release/graft run configs/solar_cells.json
step "done; the curves are in runs/solar_cells/curves.svg"
