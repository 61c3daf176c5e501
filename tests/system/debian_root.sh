# shellcheck shell=bash
# A folder with Debian 12's minimal system, for a test: . debian_root.sh. Ends the test where it cannot be made.
#   $root      the folder, removed at the end; $project  the sources
#   inside COMMAND...  runs it there, with nothing of this machine's environment
#   logged COMMAND...  shows the end of what it printed when it fails
set -euo pipefail
if [ -z "${GRAFT_SYSTEM_TESTS:-}" ]; then
  echo "skipped: needs a Debian of its own; run tools/test.sh system"
  exit 77
fi
if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
  echo "skipped: making a root folder needs root and debootstrap"
  exit 77
fi

# shellcheck disable=SC2034  # for the test
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
root=$(mktemp -d)
clean_up() {
  umount "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap clean_up EXIT
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
logged() {
  "$@" >"$root/log" 2>&1 && return
  tail -n 40 "$root/log"
  echo "failed: $*"
  return 1
}

# Made once a day. The packages come from where this machine's come from.
archive=${GRAFT_DEBIAN_ARCHIVE:?}
if [ -n "$(find "$archive" -mmin -1440 2>/dev/null)" ]; then
  tar -C "$root" -xf "$archive"
else
  logged debootstrap --variant=minbase bookworm "$root"
  tar -C "$root" -cf "$archive.part" . && mv "$archive.part" "$archive"
fi
cp /etc/resolv.conf "$root/etc/"
mount -t proc proc "$root/proc"
