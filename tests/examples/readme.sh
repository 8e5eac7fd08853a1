#!/bin/sh
# readme.sh FILE.md: runs the ```sh blocks of a page in a copy of its folder, with what install.sh
# installed. A ```c block becomes app.c and a ```cmake block CMakeLists.txt. Every line of the ```text
# block after an sh block must stand in its output. python3 is the system's, which is the one that
# Debian's numpy belongs to.
set -eu
prefix="$WORK/prefix"
export PATH="$prefix/bin:/usr/bin:$PATH" CPATH="$prefix/include" PKG_CONFIG_PATH="$prefix/lib/pkgconfig" CMAKE_PREFIX_PATH="$prefix"
copy="$WORK/readme"
[ -d "$copy" ] || { mkdir "$copy" && cp -r examples docs "$copy"; }
cd "$copy/$(dirname "$1")"
awk '/^```sh$/ { n++; file = n ".sh"; next }
     /^```text$/ { file = n ".text"; next }
     /^```c$/ { file = "app.c"; next }
     /^```cmake$/ { file = "CMakeLists.txt"; next }
     /^```/ { file = ""; next }
     file { print > file }' "$(basename "$1")"
n=1
while [ -f "$n.sh" ]; do
    sh -eux "$n.sh" >"$n.out" 2>"$n.err" || { cat "$n.out" "$n.err"; exit 1; }
    [ ! -f "$n.text" ] || while IFS= read -r line; do
        grep -qxF -e "$line" "$n.out" || { echo "not printed by block $n: $line"; cat "$n.out"; exit 1; }
    done <"$n.text"
    n=$((n + 1))
done
[ "$n" -gt 1 ]
