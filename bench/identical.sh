#!/bin/sh
# Do two builds make the same files? Compiles every model with both and compares objects, weights
# and headers byte by byte.
#   bench/identical.sh BUILD_A BUILD_B MODEL.onnx...
# Ends with 'N same, N different'; exit 1 if any differs or only one of the builds accepts it.
set -eu
a=$1 b=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
same=0 different=0
for model in "$@"; do
    for side in a b; do
        eval "build=\$$side"
        rm -rf "${work:?}/$side"
        mkdir "$work/$side"
        # The generator's version is in the header; the name is the same, so all else must be.
        "$build/lathe" compile "$model" --name m --emit obj -o "$work/$side/m.o" >/dev/null 2>&1 || : >"$work/$side/refused"
    done
    if diff -rq "$work/a" "$work/b" >"$work/log"; then
        same=$((same + 1))
    else
        different=$((different + 1))
        echo "$model: $(sed "s|$work/||g" "$work/log" | tr '\n' ';')"
    fi
done
echo "$same same, $different different"
[ "$different" = 0 ]
