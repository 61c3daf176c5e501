#!/usr/bin/env bash
# Checks a machine with an NVIDIA GPU, and writes one report.
#   tools/gpu_check.sh            builds; tests with label gpu, compute-sanitizer's four tools, a run on real
#                                 photos, benchmarks, a profile; about half an hour
#   tools/gpu_check.sh --quick    builds nothing and needs no network: what says most comes first, and all ends
#                                 within LIMIT seconds, 480 by default. What finds no time is named
#   tools/gpu_check.sh --pack DIR copies what --quick needs on another machine into DIR, from a finished build:
#                                 sources, programs, tests, their libraries but CUDA's and the C and C++
#                                 runtime's, and weights and photos if the cache has them. There, run
#                                 DIR/tools/gpu_check.sh --quick
#   --virtual, alone or with --quick: the same on the virtual GPU, small, and every benchmark once without a time
# The report is build/gpu_check.txt; the benchmarks' results are build/gpu_check_*.json, for bench/compare.py and
# bench/plot.py. Ends with 1 when something failed, with 5 without a GPU.
. "$(dirname "$0")/common.sh"

report=$project/build/gpu_check.txt
build=$project/build/release
limit=${LIMIT:-480}
virtual=false
quick=false
programs=(graft graft-hdf5 graft-bench libgraft_cuda.so tests/virtual_gpu/libvgpu.so)
tests=(kernels_cuda/test_kernels_cuda backend_cuda/test_cuda_head backend_cuda/test_cuda_backbone
       backend_cuda/test_cudnn bench_cuda/test_bench_cuda)

# pack FOLDER
pack() {
  local folder=$1 program library part
  [ ! -e "$folder" ] || [ -z "$(ls -A "$folder")" ] || stop "$folder is not empty; name a new folder"
  for program in "${programs[@]}" "${tests[@]/#/tests/}"; do
    [ -e "$build/$program" ] || stop "$build/$program is missing; build with CUDA and the tests first"
  done
  mkdir -p "$folder/lib" "$folder/cache"
  git -C "$project" ls-files -z | tar -C "$project" --null --files-from - -c | tar -x -C "$folder"
  commit >"$folder/commit.txt"
  for program in "${programs[@]}" "${tests[@]/#/tests/}"; do
    mkdir -p "$(dirname "$folder/build/release/$program")"
    strip -o "$folder/build/release/$program" "$build/$program"
    ldd "$build/$program"
  done | needed_libraries | while read -r library; do cp -L "$library" "$folder/lib/"; done
  for part in vgg16_imagenet.safetensors solar_cells; do
    if [ -e "$cache/$part" ]; then cp -r "$cache/$part" "$folder/cache/"; fi
  done
  step "packed $(du -sm "$folder" | cut -f1) MiB; run $folder/tools/gpu_check.sh --quick there"
}
# Of ldd's output: the files to pack.
needed_libraries() {
  awk '/=> \//{print $3} /not found/{print "/missing/" $1}' | sort -u |
    grep -vE '/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|resolv|stdc\+\+|gcc_s|cuda[^/]*|cublas[^/]*|cudnn[^/]*|nv[^/]*))\.so'
}
commit() {
  if [ -e "$project/commit.txt" ]; then
    cat "$project/commit.txt"
  else
    printf '%s%s\n' "$(git -C "$project" rev-parse HEAD 2>/dev/null || echo unknown)" \
      "$(git -C "$project" diff --quiet HEAD 2>/dev/null || echo ', with changes')"
  fi
}

while [ $# -gt 0 ]; do
  case $1 in
    --virtual) virtual=true ;;
    --quick) quick=true ;;
    --pack)
      [ $# -eq 2 ] || stop "--pack needs a folder, and nothing else"
      pack "$2"
      exit
      ;;
    *) stop "unknown option $1; there are --quick, --virtual and --pack DIR" ;;
  esac
  shift
done

gpu=(env)
if "$quick"; then
  # CUDA's libraries are the toolkit's, or those of Python's packages.
  libraries=$project/lib
  for folder in $(python3 -c 'import nvidia; print(*nvidia.__path__)' 2>/dev/null || true); do
    libraries+=:$folder/cudnn/lib:$folder/cu13/lib
  done
  gpu+=("LD_LIBRARY_PATH=$libraries:/usr/local/cuda/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
  if [ -d "$project/cache" ]; then cache=$project/cache; fi
  gpu+=("GRAFT_CACHE=$cache")
else
  "$project/tools/install_deps.sh" build test ||
    step "some packages of Debian's are missing; if the build needs one, it says which"
  step "building (the log is in build/release/build.log)"
  build_preset release ON
fi
if "$virtual"; then gpu+=("LD_PRELOAD=$build/tests/virtual_gpu/libvgpu.so" VGPU_ARCH=sm_90); fi
[ -e "$build/libgraft_cuda.so" ] ||
  stop "this build has no CUDA parts; install the CUDA toolkit 13 and cuDNN 9, and build again"

mkdir -p "$(dirname "$report")"
code=0
device=$(timeout 60 "${gpu[@]}" "$build/graft-bench" head --device cuda --batch 1 --size 32 --list 2>&1) || code=$?
if [ "$code" -eq 5 ]; then
  printf '%s: no GPU: %s\n' "$(basename "$0")" "$device" >&2
  exit 5
fi
[ "$code" -eq 0 ] || stop "graft-bench does not start: $device"

failed=()
missing=()
# section TITLE COMMAND...: writes the command, its output and its exit code into the report.
section() {
  local title=$1 code=0 begun=$SECONDS
  shift
  step "$title"
  printf '\n== %s\n$ %s\n' "$title" "$*" >>"$report"
  "$@" >>"$report" 2>&1 || code=$?
  printf -- '-- exit code %d after %d s\n' "$code" "$((SECONDS - begun))" >>"$report"
  if [[ $code =~ ^(124|137)$ ]] && "$quick" && [ "$SECONDS" -gt $((limit - 10)) ]; then  # of timeout
    skip "the rest of $title" "the limit of $limit s is reached"
  elif [ "$code" -ne 0 ]; then
    failed+=("$title")
  fi
}
# skip TITLE REASON: notes what is skipped.
skip() {
  missing+=("$1 ($2)")
  printf '\n== %s: skipped, %s\n' "$1" "$2" >>"$report"
}
# timed SECONDS TITLE COMMAND...: a section that is stopped after so many seconds, and at the limit.
timed() {
  local most=$1 title=$2 left=$((limit - SECONDS - 5))
  shift 2
  if "$virtual"; then most=$limit; fi  # it is slow
  if [ "$left" -lt 5 ]; then
    skip "$title" "no time is left"
  else
    section "$title" timeout --kill-after 4 "$((most < left ? most : left))" "$@"
  fi
}
# measure SECONDS SUITE OPTION...: a suite of graft-bench, with its result as JSON.
measure() {
  local most=$1 suite=$2
  shift 2
  timed "$most" "benchmark: $suite" "${gpu[@]}" "$build/graft-bench" "$suite" --device cuda "$@" \
    --json "build/gpu_check_$suite.json"
}

# with_tool TOOL SECONDS TITLE COMMAND...: as timed, if the tool is installed. None works on the virtual GPU.
with_tool() {
  local tool=$1
  shift
  if "$virtual" || ! command -v "$tool" >/dev/null; then skip "$2" "there is no $tool"; else timed "$@"; fi
}

check_quickly() {
  local batches=(--batch "32,256" --size "150,224") large=(--batch 256 --size 150)
  local few=(--batch 16 --size 150) precisions=bf16,fp16,tf32,fp32 two=fp16,fp32 filter='*' program
  if "$virtual"; then
    batches=(--batch 1 --size 32) large=(--batch 1 --size 32) few=(--batch 1 --size 32)
    precisions=fp16 two=fp16 filter='ColumnSums.*:SamplerTest.*'
  fi
  with_tool nvidia-smi 20 "GPU" nvidia-smi
  timed 10 "processor" lscpu
  timed 20 "disk: writes that are synchronised" dd if=/dev/zero of=build/gpu_check_disk bs=1M count=64 oflag=dsync
  rm -f build/gpu_check_disk
  timed 90 "each precision, briefly" "${gpu[@]}" "$build/graft-bench" backbone --device cuda --hot --seconds 0.05 \
    --samples 3 "${few[@]}" --precision "$precisions"
  for program in "${tests[@]}"; do
    timed 60 "tests: ${program#*/}" "${gpu[@]}" "$build/tests/$program" --gtest_brief=1 --gtest_filter="$filter"
  done
  measure 60 backbone --hot --seconds 0.4 --samples 8 --noise 0.01 "${batches[@]}" --precision "$precisions"
  measure 20 head --seconds 0.5 "${few[@]}"
  if "$virtual"; then
    skip "a run" "the virtual GPU is too slow"
  elif [ -e "$cache/vgg16_imagenet.safetensors" ] && [ -e "$cache/solar_cells/solar_cells.csv" ]; then
    rm -rf build/gpu_check_run
    for program in "a run" "the same run, whose features are there"; do
      timed 60 "$program" "${gpu[@]}" "$build/graft" run configs/solar_cells.json --set device=cuda \
        --set output=build/gpu_check_run
    done
    with_tool nsys 60 "profile: nsys" "${gpu[@]}" tools/profile.sh nsys configs/solar_cells.json --output build/gpu_check_nsys
  else
    skip "a run" "the cache has no weights or no photos"
  fi
  measure 45 kernels --seconds 0.1 --samples 6 "${large[@]}" --precision "$two"
  measure 30 pipeline --seconds 2 --samples 3 "${batches[@]}" --precision fp16
  with_tool compute-sanitizer 45 "compute-sanitizer memcheck" "${gpu[@]}" compute-sanitizer --tool memcheck \
    --error-exitcode 99 "$build/tests/${tests[0]}" --gtest_brief=1
  measure 60 layers --seconds 0.04 --samples 4 "${large[@]}" --precision "$two" --filter 'block(3_conv2|4_conv2)'
  with_tool ncu 60 "ncu: max pooling" "${gpu[@]}" ncu --set full --kernel-name regex:bias_relu_max_pool --launch-count 4 \
    "$build/graft-bench" kernels --device cuda "${large[@]}" --precision fp16 --filter max_pool
}

check_all() {
  local tool program
  if command -v nvidia-smi >/dev/null; then section "driver" nvidia-smi; fi
  if "$virtual"; then
    section "tests on the virtual GPU" ctest --test-dir "$build" --no-tests=error --output-on-failure \
      --parallel "$(nproc)" -L '^(virtual_gpu|kernels_cuda|backend_cuda|bench_cuda)$'
    section "benchmarks, each once" "${gpu[@]}" "$build/graft-bench" all --device cuda --batch 1 --size 32 \
      --precision fp32 --json build/gpu_check_bench.json
    return
  fi
  section "tests with label gpu" ctest --test-dir "$build" --no-tests=error --output-on-failure -L '^gpu$'
  if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
      for program in "${tests[@]:0:4}"; do
        section "compute-sanitizer $tool, ${program#*/}" compute-sanitizer --tool "$tool" \
          --error-exitcode 99 "$build/tests/$program"
      done
    done
  else
    skip compute-sanitizer "it comes with the package cuda-sanitizer-13-0"
  fi
  section "weights" "$project/tools/fetch_weights.sh"
  section "photos" "$project/tools/fetch_solar_cells.sh"
  rm -rf build/gpu_check_run
  section "a run on the GPU" "$build/graft" run configs/solar_cells.json \
    --set device=cuda --set output=build/gpu_check_run
  section "benchmarks" "$build/graft-bench" all --device cuda --batch 32 --size 150 --precision fp32,fp16 \
    --seconds 0.5 --json build/gpu_check_bench.json
  for tool in nsys:cuda-nsight-systems-13-0 ncu:cuda-nsight-compute-13-0; do
    if command -v "${tool%:*}" >/dev/null; then
      section "${tool%:*}" "$project/tools/profile.sh" "${tool%:*}" configs/solar_cells.json \
        --output "build/gpu_check_${tool%:*}"
    else
      skip "${tool%:*}" "it comes with the package ${tool#*:}"
    fi
  done
}

cd "$project"
printf 'graft gpu_check, %s\ncommit %s\n' "$(date -u +%Y-%m-%dT%H:%MZ)" "$(commit)" >"$report"
if "$virtual"; then echo 'virtual GPU: no times' >>"$report"; fi
if "$quick"; then check_quickly; else check_all; fi

{
  printf '\n== result\n%d failed' "${#failed[@]}"
  [ ${#failed[@]} -eq 0 ] || printf ': %s' "$(IFS=';' && echo "${failed[*]}")"
  [ ${#missing[@]} -eq 0 ] || printf '\nskipped: %s' "$(IFS=';' && echo "${missing[*]}")"
  echo
} >>"$report"
step "the report is build/gpu_check.txt"
[ ${#failed[@]} -eq 0 ] || stop "${#failed[@]} failed: ${failed[*]}; see the report"
