#!/bin/sh
# Do two builds make the same files? Compiles every model with both and compares objects, weights
# and headers byte by byte.
#   bench/identical.sh BUILD_A BUILD_B MODEL.onnx...
# Ends with 'N same, N different, N refused by both'; exit 1 if any differs, only one of the builds
# accepts it, or none compiled.
set -eu
a=$1 b=$2
shift 2
for build in "$a" "$b"; do
    [ -x "$build/lathe" ] || { echo "$build/lathe: no such program" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
same=0 different=0 refused=0

# compile BUILD SIDE MODEL: its files, or one that says that it was refused
compile() {
    rm -rf "${work:?}/$2"
    mkdir "$work/$2"
    "$1/lathe" compile "$3" --name m --emit obj -o "$work/$2/m.o" >/dev/null 2>&1 || : >"$work/$2/refused"
}

for model in "$@"; do
    compile "$a" a "$model"
    compile "$b" b "$model"
    if ! diff -rq "$work/a" "$work/b" >"$work/log"; then
        different=$((different + 1))
        echo "$model: $(sed "s|$work/||g" "$work/log" | tr '\n' ';')"
    elif [ -e "$work/a/refused" ]; then
        refused=$((refused + 1))
    else
        same=$((same + 1))
    fi
done
echo "$same same, $different different, $refused refused by both"
[ "$different" = 0 ] && [ "$same" -gt 0 ]
