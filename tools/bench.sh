#!/usr/bin/env bash
# Measures everything: installs and builds, runs every benchmark program, then graft beside other engines,
# and draws the comparison. Leaves JSON, text and an SVG in build/release/bench/results. About 15 minutes on
# two cores; the first time, the build and installing the other engines (about 7 GB) come on top.
#   tools/bench.sh             all of it
#   tools/bench.sh --quick     fewer rounds and no whole job: to see that it works
#   tools/bench.sh --no-peers  graft's own benchmarks alone
#   tools/bench.sh --photos FOLDER  the whole job on photos of your own: FOLDER/train, FOLDER/validation
# The figures mean something only while nothing else runs.
. "$(dirname "$0")/common.sh"

seconds_each=0.1
warmup_each=0.2
peers=true
quick=false
photos=
rounds=5
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick)
      quick=true
      seconds_each=0.01
      warmup_each=0.01
      rounds=2
      options+=(--work 'features,head')
      ;;
    --no-peers) peers=false ;;
    --photos)
      [ $# -ge 2 ] || stop "--photos needs a folder with train/ and validation/"
      for part in train validation; do
        [ -d "$2/$part" ] || stop "there is no folder $2/$part"
      done
      photos=$(realpath "$2")
      options+=(--photos "$photos")
      shift
      ;;
    *) stop "unknown option $1; there are --quick, --no-peers and --photos FOLDER" ;;
  esac
  shift
done
if "$quick" && [ -n "$photos" ]; then
  stop "--quick leaves the whole job out, which alone reads --photos; give one of the two"
fi
# The benchmarks of graft alone make their own photos: figures of one machine stay comparable.
unset GRAFT_BENCH_IMAGES

"$project/tools/install_deps.sh" build test
build=$project/build/release
results=$build/bench/results
mkdir -p "$results"

# What stands in the tables is measured with the program that users build.
step "building (the log is in build/release/build.log)"
build_preset release ON benches

for program in "$build"/bench/bench_*; do
  name=$(basename "$program")
  # bench_rounds is peers.py's worker, bench_blocking a search with a report of its own.
  case $name in bench_rounds | bench_blocking) continue ;; esac
  step "running $name"
  quietly "$results/$name.log" "$program" --benchmark_min_time="$seconds_each" \
    --benchmark_min_warmup_time="$warmup_each" \
    --benchmark_out="$results/$name.json" --benchmark_out_format=json
done
if ! "$quick"; then
  step "running bench_blocking: a search of about 100 s"
  quietly "$results/bench_blocking.txt" "$build/bench/bench_blocking"
fi

if "$peers"; then
  [ -f "$cache/vgg16_imagenet.safetensors" ] || "$project/tools/fetch_weights.sh"
  step "running graft beside other engines"
  python3 "$project/bench/peers.py" --build "$build" --rounds "$rounds" --json "$results/peers.json" \
    "${options[@]}" |
    tee "$results/peers.txt"
  python3 "$project/bench/plot.py" "$results/peers.json" "$results/peers.svg"
fi
step "done; the results are in ${results#"$project"/}"
