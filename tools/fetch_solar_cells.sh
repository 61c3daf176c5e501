#!/usr/bin/env bash
# Puts the solar-cell photos into the user's cache, as solar_cells/{train,validation}/{intact,defective}.
# Does nothing when they are there. The photos come from the Python package elpv-dataset 1.0.0.post1.
# They are by Buerhop-Lutz et al. (2018) and Deitsch et al. (2019), under CC BY-NC-SA 4.0: free for
# non-commercial use, with their names.
. "$(dirname "$0")/common.sh"

photos=$cache/solar_cells
[ -d "$photos" ] && exit
mkdir -p "$cache"
work=$(mktemp -d "$cache/solar_cells.XXXXXX")
trap 'rm -rf "$work"' EXIT
step "fetching the photos (the package elpv-dataset 1.0.0.post1, 91 MB; CC BY-NC-SA 4.0)"
fetch_wheel elpv-dataset 1.0.0.post1 85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c "$work"
python3 "$project/tools/split_solar_cells.py" "$work"/*.whl "$work/solar_cells"
mv "$work/solar_cells" "$photos"
step "photos: $photos"
