#!/usr/bin/env bash
# For a machine with an NVIDIA GPU: builds, runs all that needs the GPU, and writes one report.
#   tools/gpu_check.sh            tests with label gpu, compute-sanitizer's four tools, a run on real
#                                 photos, benchmarks, a profile; about half an hour
#   tools/gpu_check.sh --virtual  the same on the virtual GPU, as far as that goes: tests, and every
#                                 benchmark once without a time
# The report is build/gpu_check.txt; the benchmarks' result lies beside it as gpu_check_bench.json, .csv,
# .txt and .svg. Ends with 1 when something failed, with 5 when there is no GPU.
. "$(dirname "$0")/common.sh"

report=$project/build/gpu_check.txt
build=$project/build/release
virtual=false
case ${1:-} in
  --virtual) virtual=true ;;
  '') ;;
  *) stop "unknown option $1; the only one is --virtual" ;;
esac

"$project/tools/install_deps.sh" build test ||
  step "not every package of Debian's is there; if the build lacks one, it says which"
step "building (the log is in build/release/build.log)"
build_preset release ON
[ -e "$build/libgraft_cuda_bench.so" ] ||
  stop "this build has no CUDA parts; install the CUDA toolkit 13 and cuDNN 9, and run this again"

# on_gpu COMMAND...: on the machine's own GPU, or on the virtual one. Only the command sees that one.
on_gpu() {
  if "$virtual"; then
    LD_PRELOAD=$build/tests/virtual_gpu/libvgpu.so VGPU_ARCH=sm_90 "$@"
  else
    "$@"
  fi
}

mkdir -p "$(dirname "$report")"
if ! device=$(on_gpu "$build/graft" bench head --device cuda --batch 1 --size 32 --list 2>&1); then
  printf '%s: no GPU: %s\n' "$(basename "$0")" "$device" >&2
  exit 5
fi

failed=()
missing=()
# section TITLE COMMAND...: into the report: the command, all it says, and its exit code.
section() {
  local title=$1 code=0
  shift
  step "$title"
  printf '\n== %s\n$ %s\n' "$title" "$*" >>"$report"
  "$@" >>"$report" 2>&1 || code=$?
  printf -- '-- exit code %d\n' "$code" >>"$report"
  [ "$code" -eq 0 ] || failed+=("$title")
}
# without TOOL PACKAGE: notes what was left out, and where it comes from.
without() {
  missing+=("$1 (package $2)")
  printf '\n== %s is not installed; it comes with %s\n' "$1" "$2" >>"$report"
}

cd "$project"
printf 'graft gpu_check, %s\ncommit %s%s\n' "$(date -u +%Y-%m-%dT%H:%MZ)" \
  "$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
  "$(git diff --quiet HEAD 2>/dev/null || echo ', with changes')" >"$report"
if "$virtual"; then echo 'virtual GPU: no times' >>"$report"; fi
if command -v nvidia-smi >/dev/null; then section "driver" nvidia-smi; fi

if "$virtual"; then
  section "tests on the virtual GPU" ctest --test-dir "$build" --no-tests=error --output-on-failure \
    --parallel "$(nproc)" -L '^(virtual_gpu|kernels_cuda|backend_cuda|bench_cuda)$'
else
  section "tests with label gpu" ctest --test-dir "$build" --no-tests=error \
    --output-on-failure -L '^gpu$'
  if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
      for program in kernels_cuda/test_kernels_cuda backend_cuda/test_cuda_backbone \
                     backend_cuda/test_cuda_head backend_cuda/test_cudnn; do
        section "compute-sanitizer $tool, ${program#*/}" compute-sanitizer --tool "$tool" \
          --error-exitcode 99 "$build/tests/$program"
      done
    done
  else
    without compute-sanitizer cuda-sanitizer-13-0
  fi
  section "weights" "$project/tools/fetch_weights.sh"
  section "photos" "$project/tools/fetch_solar_cells.sh"
  rm -rf build/gpu_check_run
  section "a run on the GPU" "$build/graft" run configs/solar_cells.json \
    --set device=cuda --set output=build/gpu_check_run
fi

# measure OPTION...: every suite; the table is kept beside the report, and stands in it.
measure() {
  local code=0 result=$project/build/gpu_check_bench
  on_gpu "$build/graft" bench all --device cuda "$@" --json "$result.json" --csv "$result.csv" \
    >"$result.txt" || code=$?
  cat "$result.txt"
  return "$code"
}

if "$virtual"; then
  section "benchmarks, each once" measure --batch 1 --size 32 --precision fp32
else
  section "benchmarks" measure --batch 32 --size 150 --precision fp32,fp16 --seconds 0.5
  section "drawing of the benchmarks" "$build/graft" bench plot build/gpu_check_bench.json \
    -o build/gpu_check_bench.svg
  for tool in nsys:cuda-nsight-systems-13-0 ncu:cuda-nsight-compute-13-0; do
    if command -v "${tool%:*}" >/dev/null; then
      section "${tool%:*}" "$project/tools/profile.sh" "${tool%:*}" configs/solar_cells.json \
        --output "$project/build/gpu_check_${tool%:*}"
    else
      without "${tool%:*}" "${tool#*:}"
    fi
  done
fi

{
  printf '\n== result\n%d failed' "${#failed[@]}"
  [ ${#failed[@]} -eq 0 ] || printf ': %s' "$(IFS=';' && echo "${failed[*]}")"
  [ ${#missing[@]} -eq 0 ] || printf '\nleft out: %s' "$(IFS=';' && echo "${missing[*]}")"
  echo
} >>"$report"
step "the report is build/gpu_check.txt"
[ ${#failed[@]} -eq 0 ] || stop "${#failed[@]} failed: ${failed[*]}; see the report"
