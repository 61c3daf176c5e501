#!/usr/bin/env bash
# Puts the solar-cell photos into the user's cache: solar_cells/images/*.png, and solar_cells/solar_cells.csv
# with the columns path, label (intact or defective) and split. Does nothing when the list is there. A cache
# that has the folders train and validation instead, as earlier versions made them, only gets a list of these.
# The photos come from the Python package elpv-dataset 1.0.0.post1. They are by Buerhop-Lutz et al. (2018) and
# Deitsch et al. (2019), under CC BY-NC-SA 4.0: free for non-commercial use, with their names.
. "$(dirname "$0")/common.sh"

photos=$cache/solar_cells
list=$photos/solar_cells.csv
[ -f "$list" ] && exit
mkdir -p "$cache"
work=$(mktemp -d "$cache/solar_cells.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ -d "$photos/train" ] && [ -d "$photos/validation" ]; then
  step "listing the photos in $photos"
  (
    cd "$photos"
    echo path,label,split
    find train validation -mindepth 2 -maxdepth 2 -name '*.png' | LC_ALL=C sort |
      awk -F/ '{ print $0 "," $2 "," $1 }'
  ) >"$work/list"
  mv "$work/list" "$list"
else
  [ ! -e "$photos" ] || stop "$photos exists and has no list solar_cells.csv; remove it, and run this again"
  step "fetching the photos (the package elpv-dataset 1.0.0.post1, 91 MB; CC BY-NC-SA 4.0)"
  fetch_wheel elpv-dataset 1.0.0.post1 85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c "$work"
  python3 "$project/tools/list_solar_cells.py" "$work"/*.whl "$work/solar_cells"
  mv "$work/solar_cells" "$photos"
fi
step "photos: $list"
