#!/usr/bin/env bash
# Measures everything: installs and builds, runs graft-bench on every suite, then graft next to other engines, and
# draws both. Leaves JSON, tables and drawings in build/release/bench/results. About 15 minutes on two cores; the
# first time, the build and installing the other engines (about 7 GB) come on top.
#   tools/bench.sh             all of it
#   tools/bench.sh --quick     fewer samples and no complete job: to see that it works
#   tools/bench.sh --no-peers  graft-bench alone
#   tools/bench.sh --photos FOLDER  the complete job on photos of your own: FOLDER/train, FOLDER/validation
# The figures mean something only while nothing else runs.
. "$(dirname "$0")/common.sh"

seconds=0.3
peers=true
quick=()
options=(--rounds 5)
while [ $# -gt 0 ]; do
  case $1 in
    --quick)
      seconds=0.02
      quick=(--rounds 2 --work 'features,head')
      ;;
    --no-peers) peers=false ;;
    --photos)
      for part in train validation; do
        [ -d "${2-}/$part" ] || stop "--photos needs a folder with train/ and validation/"
      done
      options+=(--photos "$2")
      shift
      ;;
    *) stop "unknown option $1; there are --quick, --no-peers and --photos FOLDER" ;;
  esac
  shift
done
if [ ${#quick[@]} -gt 0 ] && [[ ${options[*]} == *--photos* ]]; then
  stop "--quick skips the complete job, which alone reads --photos; give one of the two"
fi

"$project/tools/install_deps.sh" build test
build=$project/build/release
results=$build/bench/results
mkdir -p "$results"

# draw NAME: NAME.json as NAME.svg; without matplotlib its sentence is all, and the figures stay.
draw() { python3 "$project/bench/plot.py" "$results/$1.json" -o "$results/$1.svg" || true; }

step "building (the log is in build/release/build.log)"
build_preset release ON graft graft-bench graft-bench-worker

step "running graft-bench"
"$build/graft-bench" all --seconds "$seconds" --json "$results/graft.json" | tee "$results/graft.txt"
draw graft

if "$peers"; then
  [ -f "$cache/vgg16_imagenet.safetensors" ] || "$project/tools/fetch_weights.sh"
  step "running graft next to other engines"
  python3 "$project/bench/peers.py" --build "$build" --json "$results/peers.json" "${options[@]}" "${quick[@]}" |
    tee "$results/peers.txt"
  draw peers
fi
step "done; the results are in ${results#"$project"/}"
