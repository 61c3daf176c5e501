#!/usr/bin/env bash
# Installs what graft is built with, from Debian 12's packages. Says nothing when all is there.
#   tools/install_deps.sh            installs what is missing (as root, or with sudo)
#   tools/install_deps.sh --dry-run  prints the packages, one a line, with * before a missing one
. "$(dirname "$0")/common.sh"

packages=(
  ca-certificates curl git unzip          # fetching and unpacking
  cmake g++ ninja-build pkg-config        # building
  libcli11-dev libfmt-dev nlohmann-json3-dev libxxhash-dev
  libexif-dev libjpeg62-turbo-dev libstb-dev libtiff-dev zlib1g-dev
  libhdf5-dev
  libgmock-dev libgtest-dev
  valgrind                                # counts the instructions of kernels
  libzstd-dev                             # the virtual GPU: PTX in a program is compressed
  python3 python3-pip python3-venv        # fetching weights and photos; the peers of bench/
  clang-format clang-tidy shellcheck      # checks of style
)

installed() { dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

command -v dpkg-query >/dev/null || stop "this script knows Debian's packages only; install by hand: ${packages[*]}"
missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done

case ${1:-} in
  --dry-run)
    for package in "${packages[@]}"; do
      mark=' '
      [[ " ${missing[*]} " == *" $package "* ]] && mark='*'
      printf '%s %s\n' "$mark" "$package"
    done
    exit ;;
  '') ;;
  *) stop "unknown option $1; the only one is --dry-run" ;;
esac

[ ${#missing[@]} -eq 0 ] && exit
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    stop "needs root to install ${missing[*]}; run as root, or install sudo"
  as_root=(sudo)
fi
step "installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { "${as_root[@]}" apt-get update -qq &&
       "${as_root[@]}" apt-get install -qq --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  stop "apt-get could not install ${missing[*]}; the reason stands above"
fi
