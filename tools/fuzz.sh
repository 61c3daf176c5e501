#!/usr/bin/env bash
# Fuzzes the parsers of files with libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer.
#   tools/fuzz.sh MINUTES [TARGET...]   each target, or these (png, csv, … see tests/fuzz), for MINUTES; as many at once
#                                       as there are processors
# Prints the executions, the coverage (edges of the program) and the findings of each target. The user's cache keeps the
# inputs that reached new code, for the next run, and the findings. Exit code 1: there are findings.
. "$(dirname "$0")/common.sh"

[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || stop "for how many minutes? tools/fuzz.sh MINUTES [TARGET...]"
minutes=$1
shift
"$project/tools/install_deps.sh" build test fuzz
step "building the targets (the log is in build/fuzz/build.log)"
build_preset fuzz ON fuzz
built=$project/build/fuzz/tests/fuzz
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(ls "$built/seeds")
TMPDIR=$(mktemp -d)  # the files that the parsers read; killed targets leave theirs
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# fuzz TARGET: one line of results. -fork goes on after a finding; its last line of progress has the totals.
fuzz() {
  local corpus=$cache/fuzz/corpus/$1 findings=$cache/fuzz/findings/$1 log=$cache/fuzz/$1.log progress
  mkdir -p "$corpus" "$findings"
  ASAN_OPTIONS=allocator_may_return_null=1 "$built/fuzz_$1" -fork=1 -ignore_crashes=1 -ignore_ooms=1 -ignore_timeouts=1 \
    -max_total_time=$((60 * minutes)) -timeout=5 -rss_limit_mb=2048 -use_value_profile=1 \
    -artifact_prefix="$findings/" "$corpus" "$built/seeds/$1" >"$log" 2>&1 || true
  progress=$(grep -E '^#[0-9]+: cov: ' "$log" | tail -n 1) || stop "fuzz_$1 did not run; its output is in $log"
  read -r executions _ edges _ <<<"${progress#\#}"
  printf '%-12s %12s executions %6s edges %4s findings\n' "$1" "${executions%:}" "$edges" "$(find "$findings" -type f | wc -l)"
}
export -f fuzz stop
export built cache minutes
step "fuzzing ${#targets[@]} targets for $minutes minutes each"
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
found=$(find "$cache/fuzz/findings" -type f -printf '%s %p\n' | sort -n | head -n 20)
[ -z "$found" ] || stop "the smallest findings (bytes, file):"$'\n'"$found"
