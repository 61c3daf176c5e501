#!/usr/bin/env bash
# A Debian 12 with nothing but its minimal system: tools/install_deps.sh build installs all that building the program
# needs, and the program starts.
set -euo pipefail
if [ -z "${GRAFT_SYSTEM_TESTS:-}" ]; then
  echo "skipped: needs a Debian of its own; run tools/test.sh system"
  exit 77
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "skipped: making a root folder needs root"
  exit 77
fi

project=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d)
clean_up() {
  umount "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap clean_up EXIT
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
# logged COMMAND...: shows the end of what it printed when it fails.
logged() {
  "$@" >"$root/log" 2>&1 && return
  tail -n 40 "$root/log"
  echo "failed: $*"
  return 1
}

# The packages come from where this machine's come from.
logged debootstrap --variant=minbase bookworm "$root"
cp /etc/resolv.conf "$root/etc/"
mount -t proc proc "$root/proc"
mkdir "$root/graft"
tar -C "$project" --exclude=./build --exclude=./runs --exclude=./.git -cf - . | tar -C "$root/graft" -xf -

logged inside /graft/tools/install_deps.sh build
# Debug: it is compiled in half of the time.
logged inside sh -c 'cd /graft && cmake --preset debug -D GRAFT_TESTS=OFF && cmake --build --preset debug --target graft'
inside /graft/build/debug/graft --version
inside /graft/build/debug/graft --help >/dev/null
