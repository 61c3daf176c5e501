#!/usr/bin/env bash
# Measures everything: builds, runs every benchmark program, then graft beside other engines, and draws
# the comparison. Leaves JSON and an SVG in build/release/bench/results. Under 15 minutes on two cores; the
# first time, installing the other engines comes on top.
#   tools/bench.sh             all of it
#   tools/bench.sh --quick     fewer rounds and no whole job: to see that it works
#   tools/bench.sh --no-peers  graft's own benchmarks alone
#   tools/bench.sh --photos FOLDER  the whole job on photos of your own: FOLDER/train, FOLDER/validation
# The figures mean something only while nothing else runs.
. "$(dirname "$0")/common.sh"

seconds_each=0.1
peers=true
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick)
      seconds_each=0.01
      options+=(--work 'features,head' --rounds 2)
      ;;
    --no-peers) peers=false ;;
    --photos)
      [ $# -ge 2 ] || stop "--photos needs a folder with train/ and validation/"
      options+=(--photos "$(realpath "$2")")
      shift
      ;;
    *) stop "unknown option $1; there are --quick, --no-peers and --photos FOLDER" ;;
  esac
  shift
done

build=$project/build/release
results=$build/bench/results
mkdir -p "$results"

# What stands in the tables is measured with the program that users build.
step "building (the log is in build/release/build.log)"
build_preset release benches
"$peers" && [ ! -f "$cache/vgg16_imagenet.safetensors" ] && "$project/tools/fetch_weights.sh"

for program in "$build"/bench/bench_*; do
  name=$(basename "$program")
  # bench_rounds is peers.py's worker, bench_blocking a search of minutes; bench_cuda needs a GPU.
  case $name in
    bench_rounds | bench_blocking) continue ;;
    bench_cuda) [ -e /dev/nvidiactl ] || continue ;;
  esac
  step "running $name"
  quietly "$results/$name.log" "$program" --benchmark_min_time="$seconds_each" \
    --benchmark_out="$results/$name.json" --benchmark_out_format=json
done

if "$peers"; then
  step "running graft beside other engines"
  python3 "$project/bench/peers.py" --build "$build" --json "$results/peers.json" "${options[@]}" |
    tee "$results/peers.txt"
  python3 "$project/bench/plot.py" "$results/peers.json" "$results/peers.svg"
fi
step "done; the results are in ${results#"$project"/}"
