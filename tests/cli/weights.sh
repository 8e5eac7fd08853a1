#!/bin/sh
# --precision: weights that the narrow types hold give the results of floats, to the bit; which
# weights are in it, and which are not and why; what is refused.
set -eu
dir="$WORK/weights"
mkdir -p "$dir"
. tests/tools/expect.sh

# A table that is looked up and a head, too; a weight that is read both ways; weights of one and a
# half blocks, in conv's order, with a batch, as halves in the model; one with infinity. All elements
# are eighths of -8 .. 7, which all are in each block, so that codes hold them and sums are exact.
awk '
# n elements; k steps every `step` of them and has `size` values: 16 of them in a row are all there are.
function hex(declaration, n, step, size, half,   i, k, c) {
    printf "  %s = const() data=hex(\"", declaration
    for (i = 0; i < n; i++) {
        k = int(i / step) % size
        c = (k * 7 + (i % step + int(i / step / size)) * 5) % 16
        printf "%s", half ? h[c] : f[c]
    }
}
BEGIN {
    split("000080bf 000060bf 000040bf 000020bf 000000bf 0000c0be 000080be 000000be 00000000 0000003e 0000803e 0000c03e 0000003f 0000203f 0000403f 0000603f", a, " ")
    split("00bc 00bb 00ba 00b9 00b8 00b6 00b4 00b0 0000 0030 0034 0036 0038 0039 003a 003b", b, " ")
    for (i = 0; i < 16; i++) { f[i] = a[i + 1]; h[i] = b[i + 1] }
    print "graph \"weights\""
    print "symbol s: input [1, 64]"
    print "region(%ids: i64[s] \"ids\") {"
    hex("%t: f32[1400, 48] \"table\"", 67200, 1, 48); print "\")"
    hex("%w: f32[48, 48] \"square\"", 2304, 48, 48); print "\")"
    hex("%c: f32[33, 3, 16] \"windows\"", 1584, 1, 48); print "\")"
    hex("%b: f32[2, 48, 700] \"batched\"", 67200, 700, 48); print "\")"
    hex("%h: f16[48, 40] \"halves\"", 1920, 40, 48, 1); print "\")"
    hex("%i: f32[48, 16] \"infinite\"", 767, 16, 48); print "0000807f\")"
    hex("%n: f32[48, 4] \"narrow\"", 192, 4, 48); print "\")"
    print "  %x: f32[s, 48] = map(%ids, %t) space=[s, 48] body=[$1[check($0[i0], 1400), i1]] @\"look\" from \"Gather\""
    print "  %head: f32[s, 1400] = contract(%x, %t) space=[s, 1400, 48] nred=1 body=[mul($0[i0, i2], $1[i1, i2])] @\"head\" from \"MatMul\""
    print "  %there: f32[s, 48] = contract(%x, %w) space=[s, 48, 48] nred=1 body=[mul($0[i0, i2], $1[i2, i1])] @\"there\" from \"MatMul\""
    print "  %back: f32[s, 48] = contract(%there, %w) space=[s, 48, 48] nred=1 body=[mul($0[i0, i2], $1[i1, i2])] @\"back\" from \"MatMul\""
    print "  %x3: f32[s, 3, 16] = reshape(%x) dims=[s, 3, 16]"
    print "  %conv: f32[s, 33] = contract(%x3, %c) space=[s, 33, 3, 16] nred=2 body=[mul($0[i0, i2, i3], $1[i1, i2, i3])] @\"conv\" from \"Conv\""
    print "  %both: f32[2, s, 700] = contract(%x, %b) space=[2, s, 700, 48] nred=1 body=[mul($0[i1, i3], $1[i0, i3, i2])] @\"both\" from \"MatMul\""
    print "  %h32: f32[48, 40] = map(%h) space=[48, 40] body=[cast($0[i0, i1], f32)]"
    print "  %half: f32[s, 40] = contract(%x, %h32) space=[s, 40, 48] nred=1 body=[mul($0[i0, i2], $1[i2, i1])] @\"half\" from \"MatMul\""
    print "  %inf: f32[s, 16] = contract(%x, %i) space=[s, 16, 48] nred=1 body=[mul($0[i0, i2], $1[i2, i1])] @\"inf\" from \"MatMul\""
    print "  %few: f32[s, 4] = contract(%x, %n) space=[s, 4, 48] nred=1 body=[mul($0[i0, i2], $1[i2, i1])] @\"few\" from \"MatMul\""
    print "  return %head \"head\", %back \"back\", %conv \"conv\", %both \"both\", %half \"half\", %inf \"inf\", %few \"few\", %x \"looked\""
    print "}"
}' >"$dir/weights.ir"
{
    printf '\223NUMPY\001\000\166\000'
    printf "%-117s\n" "{'descr': '<i8', 'fortran_order': False, 'shape': (7,), }"
    for id in 0 1 17 33 100 132 201; do printf "\\$(printf %03o $id)\0\0\0\0\0\0\0"; done
} >"$dir/ids.npy"

model="$dir/weights.ir"
run() { # PRECISION [OPTION...]
    to="$dir/$1"
    precision=$1
    shift
    "$LATHE" run -q "$model" --precision "$precision" --input "ids=$dir/ids.npy" --output-dir "$to" "$@"
}
run f32
for precision in bf16 f16 w8 w4 w8:16 w4:48; do
    run $precision
    for k in 0 1 2 3 4 5 6 7; do cmp "$dir/f32/output_$k.npy" "$to/output_$k.npy"; done
done
run w4 -O0
for k in 0 1 2 3 4 5 6 7; do cmp "$dir/f32/output_$k.npy" "$to/output_$k.npy"; done

# What is in it: all but two; small weights have 8 bits, and the table is one for the lookup and the head.
so="$dir/libweights.so"
expect 0 "product in w4: 'head' (MatMul)" compile "$model" -o "$so" --precision w4 --report
for line in "product in w8: 'there' (MatMul)" "product in w8: 'back' (MatMul)" "product in w8: 'conv' (Conv)" "product in w4: 'both' (MatMul)" \
    "product in w8: 'half' (MatMul)" "product in f32: 'inf' (MatMul)" "product in f32: 'few' (MatMul)" \
    "not in w4: 'infinite' of 'inf' (MatMul): it has elements that are no numbers" "not in w4: 'narrow' of 'few' (MatMul): it is too small"; do
    grep -qxF -- "$line" "$dir/out" || { echo "no line: $line"; cat "$dir/out"; exit 1; }
done
"$LATHE" compile -q "$model" -o "$dir/w4.ir" --emit ir --precision w4
! grep 'f32\[1400, 48\] "table" = const' "$dir/w4.ir"
expect 0 "product in bf16: 'half' (MatMul)" compile "$model" -o "$so" --precision bf16 --report
grep -qxF "product in bf16: 'head' (MatMul)" "$dir/out"
"$LATHE" compile "$model" -o "$so" --precision w8:16 --report=json >"$dir/json"
grep -qF '"asked_for": "w8:16", "kept": [{"node": "inf", "reason": "it has elements that are no numbers"}, {"node": "few", ' "$dir/json"
"$LATHE" bench "$model" --input "ids=$dir/ids.npy" --precision w4 --seconds 0.01 --profile --json | grep -qF '"precision": "w4"'

# It is part of what a library is: weights of another precision do not fit.
"$LATHE" compile -q "$model" -o "$dir/libp.so" --name p --precision w8
cp "$dir/p.weights" "$dir/p8.weights"
"$LATHE" compile -q "$model" -o "$dir/libp.so" --name p --precision w4
cp "$dir/p8.weights" "$dir/p.weights"
! "$LATHE" run -q "$dir/libp.so" --input "ids=$dir/ids.npy" --output-dir "$dir/other" 2>"$dir/out"

expect 1 "error: no precision is called 'w9'" compile "$model" -o "$so" --precision w9
expect 1 "error: precision 'w4:30': a block is a multiple of 8 from 8 to 1048576" compile "$model" -o "$so" --precision w4:30
expect 1 "error: precision 'w4:': a block is a multiple of 8 from 8 to 1048576" check "$model" --precision w4:
expect 1 "error: precision bf16 has no blocks" compile "$model" -o "$so" --precision bf16:32
