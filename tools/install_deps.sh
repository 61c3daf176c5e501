#!/usr/bin/env bash
# Installs Debian 12's packages for a purpose. Prints nothing when all of them are installed.
#   tools/install_deps.sh build               what building and the quickstart need
#   tools/install_deps.sh build test          several purposes: build, test, style, fuzz, system
#   tools/install_deps.sh --dry-run build     prints the packages, one a line, with * before a missing one
. "$(dirname "$0")/common.sh"

packages_for() {
  case $1 in
    build)
      echo ca-certificates curl unzip python3 python3-pip  # fetching weights and photos
      echo cmake g++ ninja-build pkg-config
      echo libcli11-dev libfmt-dev nlohmann-json3-dev libxxhash-dev
      echo libgif-dev libhdf5-dev libjpeg62-turbo-dev libkainjow-mustache-dev libseccomp-dev libstb-dev libtiff-dev
      echo libutf8proc-dev libwebp-dev zlib1g-dev
      ;;
    test)
      echo git libgmock-dev libgtest-dev
      echo libzstd-dev    # the virtual GPU: nvcc compresses the PTX in a program
      echo python3-matplotlib  # bench/plot.py
      echo python3-venv   # the other engines of bench/peers.py
      echo valgrind       # counts the instructions of kernels
      ;;
    fuzz) echo clang-16 libclang-rt-16-dev llvm-16 ;;  # 14, the default, cannot compile the ranges of libstdc++ 12
    style) echo clang-format clang-tidy shellcheck ;;
    system)
      echo debootstrap                   # makes a Debian for a test
      echo chromium fonts-dejavu-core    # shows the page report.html
      echo dpkg-dev man-db               # make a package; show its manual page
      echo g++-aarch64-linux-gnu googletest libc6-dev-arm64-cross qemu-user  # the CPU's kernels on aarch64
      echo bindfs munge openmpi-bin slurm-client slurmctld slurmd  # shards on a cluster
      ;;
    *) stop "unknown argument $1; give one or more of build, test, style, fuzz, system, and --dry-run" ;;
  esac
}

installed() { dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

dry_run=false
packages=()
for argument in "$@"; do
  if [ "$argument" = --dry-run ]; then
    dry_run=true
  else
    names=$(packages_for "$argument")
    mapfile -t -O ${#packages[@]} packages < <(tr ' ' '\n' <<<"$names")
  fi
done
[ ${#packages[@]} -gt 0 ] || stop "for what? give one or more of build, test, style, fuzz, system"
command -v dpkg-query >/dev/null || stop "this script needs Debian's dpkg; install by hand: ${packages[*]}"

missing=()
for package in "${packages[@]}"; do
  mark='*'
  if installed "$package"; then mark=' '; else missing+=("$package"); fi
  if "$dry_run"; then printf '%s %s\n' "$mark" "$package"; fi
done
if "$dry_run" || [ ${#missing[@]} -eq 0 ]; then exit; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || stop "needs root to install ${missing[*]}; run as root, or install sudo"
  as_root=(sudo)
fi
step "installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { "${as_root[@]}" apt-get update -qq &&
       "${as_root[@]}" apt-get install -qq --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  stop "apt-get could not install ${missing[*]}; its output is above"
fi
