#!/usr/bin/env bash
# The CPU's kernels on aarch64: cross-compiled, and tested against the reference implementations under emulation.
set -euo pipefail
if [ -z "${GRAFT_SYSTEM_TESTS:-}" ]; then
  echo "skipped: needs a cross compiler and an emulator; run tools/test.sh system"
  exit 77
fi
for tool in aarch64-linux-gnu-g++ aarch64-linux-gnu-objdump qemu-aarch64 ninja /usr/src/googletest/CMakeLists.txt; do
  [ -e "$tool" ] || command -v "$tool" >/dev/null || {
    echo "skipped: there is no $tool; run tools/install_deps.sh system"
    exit 77
  }
done

project=$(cd "$(dirname "$0")/../.." && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
logged() {
  "$@" >"$build/log" 2>&1 && return
  tail -n 40 "$build/log"
  return 1
}
logged cmake -S "$project/tests/aarch64" -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_SYSTEM_NAME=Linux \
  -D CMAKE_SYSTEM_PROCESSOR=aarch64 -D CMAKE_C_COMPILER=aarch64-linux-gnu-gcc -D CMAKE_CXX_COMPILER=aarch64-linux-gnu-g++
logged cmake --build "$build"

# The two large tests of convolutions take a minute each. The emulator has no limit on memory.
slow='*/Convolution.IsRightForTheLayers*:*/Convolution.HasTheSameBytesForAny*'
qemu-aarch64 -L /usr/aarch64-linux-gnu "$build/test_kernels" --gtest_brief=1 \
  --gtest_filter="-*/avx*:*Avx*:$slow:ThreadPool.AThreadThatCannotStart*"

# This processor's compiler fuses products and sums unless it is told not to.
aarch64-linux-gnu-objdump -d "$build/kernels/libgraft_kernels_cpu.a" >"$build/code"
grep -q 'fmul' "$build/code"
if grep -E '\s(fn?madd|fn?msub|fmla|fmls)\s' "$build/code"; then
  echo "failed: the kernels hold fused multiply-adds"
  exit 1
fi
