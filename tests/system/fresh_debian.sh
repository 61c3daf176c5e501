#!/usr/bin/env bash
# A Debian 12 with nothing but its minimal system: tools/install_deps.sh build installs all that building the program
# needs, and the program starts.
. "$(dirname "$0")/debian_root.sh"

mkdir "$root/graft"
tar -C "$project" --exclude=./build --exclude=./runs --exclude=./.git -cf - . | tar -C "$root/graft" -xf -

logged inside /graft/tools/install_deps.sh build
# Debug: it is compiled in half of the time.
logged inside sh -c 'cd /graft && cmake --preset debug -D GRAFT_TESTS=OFF && cmake --build --preset debug --target graft'
inside /graft/build/debug/graft --version
inside /graft/build/debug/graft --help >/dev/null
