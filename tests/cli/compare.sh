#!/bin/sh
# compare, --keep and --report: values inside of a graph, where two of them part, what the passes did.
set -eu
model=examples/adder/model.onnx inside=/Add_output_0
data=examples/adder/test_data_set_0
expect() {
    code=$1 text=$2 got=0
    shift 2
    "$LATHE" "$@" >"$WORK/out" 2>&1 || got=$?
    [ "$got" = "$code" ] && grep -qF -- "$text" "$WORK/out" && return
    echo "lathe $*: exit code $got, expected $code with '$text':"
    cat "$WORK/out"
    exit 1
}

# A kept value is an output behind the graph's own; its folder is made.
ref="$WORK/ref/of/adder"
expect 0 "output_1.npy: $inside f32[" run $model --case $data --keep $inside --output-dir "$ref"
expect 0 "output_0.npy: logits" run $model --case $data --keep logits --output-dir "$WORK/plain"
[ ! -e "$WORK/plain/output_1.npy" ]
expect 4 "$WORK/out: Not a directory" run $model --case $data --output-dir "$WORK/out"
expect 2 "the graph has no value called '/Add_outputs_0'; hint: did you mean '$inside'?" run $model --keep /Add_outputs_0 --case $data
mv "$ref/output_1.npy" "$ref/_Add_output_0.npy"

expect 0 "same      logits" compare $model examples/adder
expect 0 "same      $inside" compare $model examples/adder --against "$ref" --keep $inside -O0
expect 0 "unknown   $inside: no file has its expected value" compare $model $data --keep $inside
expect 2 "there are no expected values here" compare $model $data --against "$WORK/plain/none"
cp "$ref/output_0.npy" "$ref/_Add_output_0.npy"
expect 2 "error: $model: '$inside' is the first value that differs: is f32[" compare $model $data --keep $inside --against "$ref"
expect 2 "{\"value\": \"$inside\", \"verdict\": \"different\"" compare $model $data --keep $inside --against "$ref" --json
# One changed byte, high in the first element: that element is named.
{ head -c 131 "$WORK/plain/output_0.npy"; printf '\177'; tail -c +133 "$WORK/plain/output_0.npy"; } >"$ref/output_0.npy"
expect 2 "error: $model: 'logits' is the first value that differs: [0,0,0] is " compare $model $data --against "$ref"

# What a precision costs, on a case or on random inputs; nothing for f32 itself.
expect 0 "logits: error at most 0, relative 0, root mean square 0 %, cosine 1.0000000" compare $model examples/adder --against f32
expect 0 "logits: error at most " compare $model examples/adder --against f32 --precision w8
rms=$(sed 's/.*root mean square \([0-9.]*\) %.*/\1/' "$WORK/out")
awk -v rms="$rms" 'BEGIN { exit !(rms > 0.05 && rms < 2) }' || { cat "$WORK/out"; exit 1; }
expect 0 '{"value": "logits", "elements": 30, "unlike": 0, "error": 0.' compare examples/digits/model.onnx --dim batch=3 --against f32 --precision w4 --json
expect 0 "y0: 0 of 3 elements differ" compare tests/cases/tree_classifier/model.onnx tests/cases/tree_classifier --against f32 --precision bf16
expect 1 "'compare' needs MODEL.onnx CASE; see 'lathe compare --help'" compare $model
expect 1 "--against f32 takes a model, which is compiled twice, not a library" compare libmodel.so --against f32

expect 0 "fuse_rows        switched off" compile $model -o "$WORK/libadder.so" --report --disable-pass fuse_rows
grep -q '^canonicalize  *[0-9]' "$WORK/out"
grep -q '^not fused: ' "$WORK/out"
expect 0 '{"name": "fuse_maps", "run": true, ' compile $model -o "$WORK/libadder.so" --report=json
expect 0 '{"name": "fuse_maps", "run": false, ' compile $model -o "$WORK/libadder.so" --report=json -O0
