#!/usr/bin/env bash
# The checks of style: clang-format, shellcheck and clang-tidy. Shows what they find.
#   tools/lint.sh         clang-tidy sees the files as the Release build compiles them
#   tools/lint.sh PRESET  as another build does: debug, asan, ubsan, tsan (see CMakePresets.json)
. "$(dirname "$0")/common.sh"

cd "$project"
preset=${1:-release}
build=build/$preset
for tool in clang-format clang-tidy shellcheck; do
  command -v "$tool" >/dev/null || stop "$tool is not installed; run tools/install_deps.sh build test style"
done
# Configuring is quick, and without it the database may lack a new file.
quietly "$build/configure.log" cmake --preset "$preset"

# The files git knows and those it does not ignore, less those that are deleted.
known() {
  local file
  git ls-files -z --cached --others --exclude-standard -- "$@" | while IFS= read -r -d '' file; do
    [ ! -f "$file" ] || printf '%s\0' "$file"
  done
}

# check_file FILE: clang-tidy says how many findings it suppressed; only findings are to be shown.
check_file() {
  local output
  output=$(clang-tidy --quiet -p "$build" "$1" 2>&1) && return
  printf '%s\n' "$output"
  return 1
}
export -f check_file
export build

clean=true
known '*.h' '*.cpp' '*.cu' | xargs -0 clang-format --dry-run -Werror || clean=false
known 'tools/*.sh' .ci/run | xargs -0 shellcheck || clean=false

# A file with several compile commands (a kernel's source, one an Isa) is checked with each.
# CUDA sources are left to nvcc's warnings: Debian 12's clang is older than CUDA 13.
compiled=$(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" |
  grep -v '\.cu$' | sort -u)
count=$(wc -l <<<"$compiled")
# shellcheck disable=SC2016  # the inner shell expands it
tr '\n' '\0' <<<"$compiled" |
  xargs -0 -n 1 -P "$(nproc)" bash -c 'check_file "$1"' check_file || clean=false

"$clean" || stop "the findings stand above"
step "clean: clang-format, shellcheck, and clang-tidy over $count files"
