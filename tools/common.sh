# shellcheck shell=bash
# Functions and folders that the scripts share. Source it: . "$(dirname "$0")/common.sh"
set -euo pipefail
umask go-w  # graft uses no cache that others can write

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${GRAFT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/graft}
export GRAFT_CACHE=$cache

# step SENTENCE: what happens now, with the seconds since the script began.
step() { printf '[%3ds] %s\n' "$SECONDS" "$*" >&2; }

# stop SENTENCE: what is missing and what to do; ends the script.
stop() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: the command's output goes to LOG and is shown only when it fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 && return
  tail -n 40 "$log" >&2
  stop "'$*' failed; all of its output is in $log"
}

# fetch_wheel PACKAGE VERSION SHA256 FOLDER: the package's wheel from the Python registry that pip is
# set up for, checked against its digest, as the only *.whl in FOLDER.
fetch_wheel() {
  local package=$1 version=$2 sha256=$3 folder=$4 log
  log=$folder/pip.log
  printf '%s==%s --hash=sha256:%s\n' "$package" "$version" "$sha256" >"$folder/requirements.txt"
  python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes \
    --dest "$folder" --requirement "$folder/requirements.txt" >"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    stop "pip could not fetch $package $version; check the network and pip's index, then run this again"
  }
}

# build_preset PRESET TESTS [TARGET...]: configures and builds quietly into build/PRESET. TESTS, ON or OFF,
# is whether the tests are configured, which need more packages.
build_preset() {
  local preset=$1 tests=$2 folder=$project/build/$1 targets=()
  shift 2
  [ $# -eq 0 ] || targets=(--target "$@")
  (
    cd "$project"
    quietly "$folder/configure.log" cmake --preset "$preset" -D "GRAFT_TESTS=$tests"
    quietly "$folder/build.log" cmake --build --preset "$preset" "${targets[@]}"
  )
}
