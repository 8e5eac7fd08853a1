#!/bin/sh
# In what products are computed: --report, --require, bench --profile; and no scalar conversion from
# floats to integers in vector code.
set -eu
dir="$WORK/precision"
mkdir -p "$dir"
quantised=tests/cases/quantised_static/model.onnx mixed=tests/cases/quantised_spelled/model.onnx
. tests/tools/expect.sh
so="$dir/libq.so"

expect 0 "product in i8: 'MatMul scores' (MatMul)" compile $quantised -o "$so" --report --require i8
expect 0 "product in f32: 'MatMul floats' (MatMul)" compile $mixed -o "$so" --report
grep -qxF "quantised, but in f32: 'MatMul floats' (MatMul): 'fake' holds no codes of 8 bits or less" "$dir/out"
"$LATHE" compile $mixed -o "$so" --report=json >"$dir/json"
grep -qF '{"precision": "i8", "node": "MatMul signed", "op": "MatMul"}' "$dir/json"
grep -qF '"quantised_in_float": [{"node": "MatMul floats", "reason": "' "$dir/json"

# Nothing is left behind by what is refused; check says the same.
rm -f "$so"
text="error: node 'MatMul floats' (MatMul): a quantised product would run in f32, not in i8: 'fake' holds no codes of 8 bits or less"
expect 3 "$text" compile $mixed -o "$so" --require i8
[ ! -e "$so" ]
expect 3 "$text" check $mixed --require i8
expect 2 "error: precision i8 is required, and the pass integer_products switched off" compile $quantised -o "$so" --require i8 --disable-pass integer_products
expect 1 "lathe: --require takes i8, not 'i4'" compile $quantised -o "$so" --require i4

# The other reasons, by the graph of the pass's own test.
sed '/^\/\/ EXPECT$/,$d' tests/golden/integer_products_not.ir >"$dir/not.ir"
"$LATHE" check "$dir/not.ir" --require i8 2>&1 | sed 's/.*not in i8: //' | sort >"$dir/reasons" || true
diff - "$dir/reasons" <<'END'
the scale of 'db' changes along the sum
the sum may exceed 32 bits
the zero point of 'dz' changes along the sum
END

# A dynamic quantiser finds both extremes in one pass over its tensor, however many products read its codes.
"$LATHE" compile -q tests/cases/quantised_dynamic/model.onnx --emit ir -o "$dir/dynamic.ir"
[ "$(grep -c ' = reduce(%0) space=\[2, 2, 3, 24\] nred=2 .*kind="max"' "$dir/dynamic.ir")" = 1 ]
[ "$(grep -c ' = [a-z]*(%0' "$dir/dynamic.ir")" = 2 ] # the extremes and the codes

"$LATHE" bench tests/cases/quantised_static --seconds 0.05 --profile >"$dir/text"
grep -qE '^kernel .* i8 .*MatMul scores \(MatMul\)' "$dir/text"
"$LATHE" bench tests/cases/quantised_static --seconds 0.05 --profile --json | grep -qF '"precision": "i8"'
"$LATHE" bench examples/digits/model.onnx --dim batch=2 --seconds 0.01 --profile --json | grep -qF '"precision": "f32"'

# Narrowed factors: what they are computed in on the targets of the library, the best one first.
narrowed() {
    want=$1
    shift
    "$LATHE" bench examples/digits/model.onnx --dim batch=32 --seconds 0.01 --profile --json "$@" |
        grep -qF "\"precision\": \"$want\"" || { echo "no product in $want: $*"; exit 1; }
}
narrowed f32x3 --precision f32x3 --target x86-64-v4+amx-emulated
narrowed 'bf16*bf16' --precision bf16 --target x86-64-v4+amx-emulated
narrowed 'f32x3|f32' --precision f32x3 --target x86-64-v4+amx-emulated,x86-64-v3
narrowed f32 --precision f32x3 --target x86-64-v3

# Whole vectors, so that no remainder is left: all conversions are those of vectors.
types="u8 i8 u16 i16 i32 u32" results=
{
    echo 'graph "casts"'
    echo 'region(%f32: f32[1024] "x", %f64: f64[1024] "d") {'
    for from in f32 f64; do
        for to in $types; do
            echo "  %${from}_$to: $to[1024] = map(%$from) space=[1024] body=[cast(\$0[i0], $to)]"
            results="$results${results:+, }%${from}_$to \"${from}_$to\""
        done
    done
    echo "  return $results"
    echo '}'
} >"$dir/casts.ir"
for target in x86-64 x86-64-v3 x86-64-v4; do
    "$LATHE" compile -q "$dir/casts.ir" -t $target --emit asm -o "$dir/casts.s"
    grep -qE 'cvttp[sd]2u?dq' "$dir/casts.s"
    ! grep -E 'cvtt?s[sd]2u?si' "$dir/casts.s" || { echo "scalar conversions for $target"; exit 1; }
done
