#!/bin/sh
# Products of blocks in i8: accuracy_level 4 gives ONNX Runtime's numbers on every target; what
# --activations changes; what reports, profiles and --require say; what is refused.
set -eu
dir="$WORK/blocks"
mkdir -p "$dir"
. tests/tools/expect.sh
cp -r tests/cases/ms_nbits_in_blocks "$dir/case"
echo '{"atol": 0.002, "rtol": 0.0001}' >"$dir/case/meta.json"
model="$dir/case/model.onnx" so="$dir/libb.so"

for target in x86-64 x86-64-v3 x86-64-v3+avxvnni x86-64-v4 x86-64-v4+vnni; do
    "$LATHE" bench "$dir/case" --cpu $target --seconds 0.01 >"$dir/out" 2>&1 || continue # not on this machine
    expect 0 "1 passed, 0 failed, 0 skipped" test --guard --target $target "$dir/case"
done
expect 2 "0 passed, 1 failed, 0 skipped" test --activations f32 "$dir/case"

expect 0 "product in w4i8: 'MatMulNBits plain_x4' (MatMulNBits)" compile "$model" -o "$so" --report --require i8
grep -qxF "product in w8i8: 'MatMulNBits zeros_row8' (MatMulNBits)" "$dir/out"
expect 0 "product in w4: 'MatMulNBits plain_x4' (MatMulNBits)" compile "$model" -o "$so" --report --activations f32
"$LATHE" bench "$dir/case" --seconds 0.01 --profile --json | grep -qF '"precision": "w4i8"'

# Codes that the model, or --precision, does not let meet i8.
expect 0 "product in w2: 'MatMulNBits two' (MatMulNBits)" compile tests/cases/ms_weights_in_codes/model.onnx -o "$so" --report
expect 0 "product in w2i8: 'MatMulNBits two' (MatMulNBits)" compile tests/cases/ms_weights_in_codes/model.onnx -o "$so" --report --activations i8
expect 1 "error: activations are i8 or f32, not 'i4'" compile "$model" -o "$so" --activations i4
expect 3 "error: node 'MatMulBnb4 table0' (MatMulBnb4): a product would run in f32, not in i8: its weight is not in blocks of numbers (and 1 more node of this kind)" \
    compile tests/cases/ms_weights_in_codes/model.onnx -o "$so" --activations i8 --require i8
