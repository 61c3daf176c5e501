#!/usr/bin/env bash
# Installs, builds and runs every test that this machine can run.
#   tools/test.sh             the Release build
#   tools/test.sh PRESET...   other builds: debug, asan, ubsan, tsan (see CMakePresets.json)
#   tools/test.sh system      the tests with label system, which need a Debian of their own, or a browser. Root and a
#                             network are needed. The other calls skip by name what the machine does not have.
. "$(dirname "$0")/common.sh"

label=()
"$project/tools/install_deps.sh" build test
if [ "${1:-}" = system ]; then
  [ $# -eq 1 ] || stop "system is the only argument where it is given"
  "$project/tools/install_deps.sh" system
  export GRAFT_SYSTEM_TESTS=1
  label=(--label-regex '^system$')
  set -- release
fi
[ $# -gt 0 ] || set -- release

# The tests of real features need the real weights; the program that imports them is the Release one.
if [ ! -f "$cache/vgg16_imagenet.safetensors" ]; then
  step "building the program to import the weights"
  build_preset release ON graft
  "$project/tools/fetch_weights.sh" ||
    step "without the weights: the tests that need them are skipped, by name"
fi

# The test that reads the compiled kernels needs these two; without them it is skipped.
if command -v nvcc >/dev/null && ! { command -v cuobjdump && command -v nvdisasm; } >/dev/null; then
  "$project/tools/fetch_cuda_tools.sh" || step "without cuobjdump: the test of the SASS is skipped"
fi

cd "$project"
for preset in "$@"; do
  step "building $preset (the log is in build/$preset/build.log)"
  build_preset "$preset" ON
  step "testing $preset"
  ctest --preset "$preset" --parallel "$(nproc)" "${label[@]}"
done
