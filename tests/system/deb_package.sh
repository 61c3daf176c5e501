#!/usr/bin/env bash
# deb_package.sh BUILD: `cpack -G DEB` of that build, installed by apt into a Debian 12 with nothing but its minimal system.
# There the program predicts the same as here.
. "$(dirname "$0")/debian_root.sh"
build=$1

mkdir "$root/packages" "$root/recipe"
logged cpack -G DEB --config "$build/CPackConfig.cmake" -B "$root/packages"
for package in "$root"/packages/*.deb; do
  echo "$(basename "$package"): $(dpkg-deb --field "$package" Depends)"
done

PYTHONPATH=$project/tests/faults python3 -c "import pathlib, small_recipe; small_recipe.make_recipe(pathlib.Path('$root/recipe'))"
logged "$build/graft" run "$root/recipe/config.json"
(cd "$root/recipe" && "$build/graft" predict -q out photos/validation >expected.csv)

logged inside sh -c 'apt-get update && apt-get install --yes --no-install-recommends /packages/graft_*.deb'
inside graft --version
inside sh -c 'cd /recipe && graft predict -q out photos/validation --set backbone.weights=weights.safetensors >actual.csv'
cmp "$root/recipe/expected.csv" "$root/recipe/actual.csv"

# The program that reads HDF5 starts, too: it refuses the file.
printf '\x89HDF\r\n\x1a\n' >"$root/recipe/damaged.h5"
code=0
inside graft weights show /recipe/damaged.h5 2>"$root/log" || code=$?
if [ $code -ne 4 ] || grep 'cannot start' "$root/log"; then
  echo "failed: exit code $code"
  exit 1
fi

page=$root/usr/share/man/man1/graft.1.gz
test -s "$page"
if command -v man >/dev/null; then
  LC_ALL=C.UTF-8 MANROFFOPT='' man --warnings -l "$page" >"$root/page" 2>"$root/log"
  grep -q 'graft weights import' "$root/page"
  test ! -s "$root/log" || { cat "$root/log" && exit 1; }
fi

logged inside apt-get purge --yes graft
test ! -e "$root/usr/lib/graft" && test ! -L "$root/usr/bin/graft"
