#!/usr/bin/env bash
# Installs, builds and runs every test.
#   tools/test.sh             the Release build
#   tools/test.sh PRESET...   other builds: debug, asan, ubsan, tsan (see CMakePresets.json)
. "$(dirname "$0")/common.sh"

"$project/tools/install_deps.sh"
[ $# -gt 0 ] || set -- release

# The tests of real features need the real weights; the program that imports them is the Release one.
if [ ! -f "$cache/vgg16_imagenet.safetensors" ]; then
  step "building the program to import the weights"
  build_preset release graft
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
  build_preset "$preset"
  step "testing $preset"
  ctest --preset "$preset" --parallel "$(nproc)"
done
