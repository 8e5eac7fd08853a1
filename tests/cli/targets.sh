#!/bin/sh
# Several targets in one library: each gives the right answers, the best that the processor has is
# run, a processor below the least is refused by name, and the object refers to the runtime only.
# Emulated processors, where qemu is there, show that detection is right and nothing faults.
set -eu
model=examples/adder/model.onnx
dir="$WORK/targets"
mkdir -p "$dir"

is() { [ "$2" = "$3" ] || { echo "$1: '$2', expected '$3'"; exit 1; }; }

# compile LIST OUTPUT [OPTION...]
compile() {
    list=$1 output=$2
    shift 2
    "$LATHE" compile -q $model --name adder --target "$list" -o "$output" "$@"
}

# runs LIBRARY CPU COMMAND...: the target that is run, or the refusal.
runs() {
    library=$1 cpu=$2
    shift 2
    "$@" "$LATHE" run "$library" -c examples/adder/test_data_set_0 --output-dir "$dir" ${cpu:+--cpu "$cpu"} 2>"$dir/err" |
        sed -n 's/^target: //p'
    sed -n 's/^error: //p' "$dir/err"
}

case $(uname -m) in
x86_64)
    all=x86-64,x86-64-v3,x86-64-v4
    compile x86-64-v3,x86-64-v4 "$dir/two.so"
    for cpu in "" $(grep -qw avx512vl /proc/cpuinfo && echo x86-64-v4) $(grep -qw avx2 /proc/cpuinfo && echo x86-64-v3); do
        [ -z "$cpu" ] || is "run --cpu $cpu" "$(runs "$dir/two.so" "$cpu")" "$cpu"
        "$LATHE" test --guard --target $all ${cpu:+--cpu "$cpu"} examples
    done
    "$LATHE" test --guard --target $all --cpu x86-64 examples
    is "run --cpu x86-64" "$(runs "$dir/two.so" x86-64)" \
        "$dir/two.so: this processor lacks SSE4.2, AVX2, FMA, F16C; the least target of 'adder' is x86-64-v3"
    if "$LATHE" test --target x86-64-v3 --cpu x86-64 examples/adder >"$dir/out"; then exit 1; fi
    grep -q "error 21 this processor lacks SSE4.2, AVX2, FMA, F16C; the least target of 'model' is x86-64-v3" "$dir/out"
    if command -v qemu-x86_64 >/dev/null; then
        is "on a Haswell" "$(runs "$dir/two.so" "" qemu-x86_64 -cpu Haswell)" x86-64-v3
        is "on a Nehalem" "$(runs "$dir/two.so" "" qemu-x86_64 -cpu Nehalem)" \
            "$dir/two.so: this processor lacks AVX2, FMA, F16C; the least target of 'adder' is x86-64-v3"
        compile $all "$dir/three.so"
        is "on a Nehalem" "$(runs "$dir/three.so" "" qemu-x86_64 -cpu Nehalem)" x86-64
        is "on a core2duo" "$(runs "$dir/three.so" "" qemu-x86_64 -cpu core2duo)" x86-64
    fi
    ;;
aarch64) all=aarch64,aarch64+bf16 ;;
esac

compile "$all" "$dir/all.o" --emit obj
is "undefined symbols" "$(nm -u "$dir/all.o" | grep -v ' U lathe_rt_' || true)" ""
compile "$all" "$dir/all.so"
is "exported symbols" "$(nm -D --defined-only "$dir/all.so" | sed 's/.* //')" adder_desc

# usage CODE TEXT OPTION...
usage() {
    code=$1 text=$2 got=0
    shift 2
    "$@" >"$dir/out" 2>&1 || got=$?
    is "$*" "$got" "$code"
    grep -qF -- "$text" "$dir/out" || { echo "$*: no '$text' in:"; cat "$dir/out"; exit 1; }
}
usage 1 "error: targets x86-64 and aarch64 are of different architectures; an object holds one" compile x86-64,aarch64 "$dir/x.so"
usage 1 "error: target aarch64 is given twice" compile aarch64,aarch64 "$dir/x.so"
usage 1 "error: unknown target 'x86-64-v5'; the targets are x86-64, x86-64-v3, " compile x86-64-v5 "$dir/x.so"
usage 1 "lathe: --cpu takes the name of one target, not 'haswell'" "$LATHE" test --cpu haswell examples/adder
usage 1 "lathe: --cpu takes the name of one target, not 'haswell'" "$LATHE" run "$dir/all.so" --cpu haswell
usage 2 "usage: lathe-runner" "$(dirname "$LATHE")/lathe-runner" --hide-features x "$dir/all.so"
[ ! -e "$dir/x.so" ]
