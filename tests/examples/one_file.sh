#!/bin/sh
# The runtime as one C file: compiles without a warning, holds every function of the archive, and
# serves an example program that is linked with it - as does the shared runtime.
set -eu
build=$(dirname "$LATHE")
work="$WORK/one_file"
mkdir -p "$work"
"$LATHE" compile --quiet examples/adder/model.onnx --name adder --emit a -o "$work/libadder.a"
"$LATHE" compile --quiet examples/digits/model.onnx --name digits --emit obj --weights embed -o "$work/digits.o"
cp include/lathe_rt.h "$build/lathe_rt.c" "$work"
models="examples/two_models/main.c $work/libadder.a $work/digits.o"
expect() {
    (cd examples && LD_LIBRARY_PATH="$build" "$work/two_models" digits/images.npy 6) | grep -x '340 + 603 = 0943'
}
defined() { nm --defined-only "$1" | awk '/ [TDR] lathe_rt_/ { print $3 }' | sort; }
for cc in gcc clang; do
    command -v "$cc" >/dev/null || continue
    for level in -O0 -O2; do
        "$cc" -std=c11 $level -Wall -Wextra -Werror -c "$work/lathe_rt.c" -o "$work/lathe_rt.o"
        # shellcheck disable=SC2086
        "$cc" -std=c11 -Wall -Wextra -Werror -I"$work" $models "$work/lathe_rt.o" -pthread -ldl -lm -o "$work/two_models"
        expect
    done
done
[ "$(defined "$work/lathe_rt.o")" = "$(defined "$build/liblathe_rt.a")" ]
# shellcheck disable=SC2086
[ ! -f "$build/liblathe_rt.so" ] || cc -I"$work" $models -L"$build" -llathe_rt -o "$work/two_models"
expect
