#!/bin/sh
# stress.sh BUILD [SECONDS]: compiles three models into archives and two into shared libraries, links
# stress.c against the build's runtime with the build's sanitizer, and runs it.
set -eu
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)
seconds=${2:-10}
lathe="$build/lathe"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sanitize=$(sed -n 's/^LATHE_SANITIZE:STRING=\(..*\)/-fsanitize=\1/p' "$build/CMakeCache.txt")

for model in adder digits licence_lm; do
    weights=file
    [ "$model" != digits ] || weights=embed
    "$lathe" compile --quiet "examples/$model/model.onnx" --name "$model" --emit a --weights "$weights" -o "$work/lib$model.a"
done
for model in adder digits; do
    "$lathe" compile --quiet "examples/$model/model.onnx" --name "so_$model" -o "$work/libso_$model.so"
done
# shellcheck disable=SC2086
cc -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror $sanitize -I. -Iinclude -I"$work" tests/threads/stress.c \
    "$work"/lib*.a "$build/liblathe-driver-common.a" "$build/liblathe_rt.a" -pthread -ldl -lm -o "$work/stress"
TSAN_OPTIONS="halt_on_error=1 ${TSAN_OPTIONS:-}" "$work/stress" "$seconds" examples "$work"
