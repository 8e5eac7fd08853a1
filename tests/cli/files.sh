#!/bin/sh
# Files that are not what they seem, options that are no sane numbers, and outputs: all or none.
set -eu
model=examples/adder/model.onnx
cd "$(dirname "$0")/../.."

# The failing command says this line, exactly.
says() {
    code=$1 text=$2 got=0
    shift 2
    timeout 60 "$LATHE" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || got=$?
    [ "$got" = "$code" ] && grep -qxF -e "$text" "$WORK/err" && return
    echo "lathe $*: exit code $got, expected $code and '$text'; its messages:"
    cat "$WORK/err"
    exit 1
}

# ---- numbers ----
whole="a number from 0 to 2147483647"
for n in -1 99999999999999999999 2147483648 1e3 nan "" 7x; do
    says 1 "lathe: option '--threads' takes $whole, not '$n'" run $model --threads "$n"
done
for x in nan inf -inf -0.5 1e999 "" 1x; do
    says 1 "lathe: option '--seconds' takes a number of 0 or more, not '$x'" bench $model --seconds "$x"
done

# ---- a pipe, a folder, standard output ----
mkfifo "$WORK/pipe.npy"
says 4 "error: $WORK/pipe.npy: not a regular file" run $model -i "input_ids=$WORK/pipe.npy"
says 4 "error: $WORK: not a regular file" run $model -i "input_ids=$WORK"
says 1 "lathe: --output takes a file's name; libraries are not written to standard output" compile $model -o -
[ ! -e ./- ]

# ---- all outputs or none ----
out="$WORK/out.d"
mkdir -p "$out/adder.weights/kept"
echo old >"$out/libadder.so"
echo old >"$out/adder.h"
says 4 "error: $out/adder.weights: cannot be written: Is a directory" compile $model --name adder -o "$out/libadder.so"
[ "$(cat "$out/libadder.so" "$out/adder.h")" = "old
old" ]
[ -d "$out/adder.weights/kept" ]
[ "$(ls -A "$out" | tr '\n' ' ')" = "adder.h adder.weights libadder.so " ] || { ls -A "$out"; exit 1; }
rm "$out/adder.h" "$out/libadder.so"
says 4 "error: $out/adder.weights: cannot be written: Is a directory" compile $model --name adder -o "$out/libadder.so"
[ "$(ls -A "$out")" = adder.weights ] || { ls -A "$out"; exit 1; }
rm -r "$out/adder.weights"
"$LATHE" compile $model --name adder -o "$out/libadder.so" -q
"$LATHE" compile $model --name adder -o "$out/libadder.so" -q
[ "$(ls -A "$out" | tr '\n' ' ')" = "adder.h adder.weights libadder.so " ] || { ls -A "$out"; exit 1; }

# ---- weights that Git LFS has not fetched ----
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n' >"$out/adder.weights"
says 2 "error: $out/libadder.so: weights '$out/adder.weights': a Git LFS pointer, which stands for the file; \`git lfs pull\` fetches it" run "$out/libadder.so" -i "input_ids=$WORK/none.npy"
echo short >"$out/adder.weights"
says 2 "error: $out/libadder.so: weights '$out/adder.weights': not a weight file" run "$out/libadder.so" -i "input_ids=$WORK/none.npy"
