#!/usr/bin/env bash
# Puts cuobjdump and nvdisasm into the user's cache, from the Python packages that NVIDIA publishes, for
# machines whose CUDA toolkit lacks them. The test of the compiled kernels reads SASS with them. Does
# nothing when they are there.
. "$(dirname "$0")/common.sh"

tools=$cache/cuda_tools
[ -x "$tools/cuobjdump" ] && [ -x "$tools/nvdisasm" ] && exit
[ "$(uname -m)" = x86_64 ] || stop "these packages are for x86_64; install cuobjdump and nvdisasm from the CUDA toolkit"

mkdir -p "$cache"
work=$(mktemp -d "$cache/cuda_tools.XXXXXX")
trap 'rm -rf "$work"' EXIT
step "fetching cuobjdump and nvdisasm (6 MB)"
for package in cuobjdump:38780fee50863252a0b8926357faa91615ca1c8346490563f33a06100cd73f58 \
               nvdisasm:d3fdbdd49fa53e2e4aacd3db8259d052bd2b049ececdcb69e92e083c6728e7ca; do
  name=${package%%:*}
  mkdir "$work/wheel_$name"
  fetch_wheel "nvidia-cuda-$name" 13.5.37 "${package#*:}" "$work/wheel_$name"
  unzip -q -j "$work/wheel_$name"/*.whl "nvidia/cu13/bin/$name" -d "$work"
  chmod +x "$work/$name"
  mkdir -p "$tools"
  mv "$work/$name" "$tools/$name"
done
