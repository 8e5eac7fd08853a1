#!/bin/sh
# Sequences, optionals and strings as inputs and outputs: options, messages, the header, files.
set -eu
case=tests/cases/sequence_io
model=$case/model.onnx
work=$WORK/values
mkdir -p "$work"

refused() {  # MESSAGE, arguments
    text=$1
    shift
    if "$LATHE" "$@" >"$work/out" 2>&1; then echo "lathe $*: not refused" && exit 1; fi
    grep -qF -- "$text" "$work/out" && return
    echo "lathe $*: expected '$text', found:"
    cat "$work/out"
    exit 1
}

items="--items x=3:1 --items words=2:1 --items e=0"
refused "tensor 'x': the input is a sequence: say how many tensors it has (--items x=N)" check $model
refused "its rank must be known (--items NAME=N:RANK)" check $model --items x=3 --items words=2:1
refused "the optional has 2 tensors, expected 0 or 1" check $model --items x=3:1 --items words=2:1 --items o=2
refused "a sequence of 5000 tensors, at most 4096" check $model --items x=5000:1 --items words=2:1
refused "no input is a sequence or an optional called 'y'" check $model $items --items y=2
refused "the input has rank 13, at most 12" check $model --items x=3:13 --items words=2:1 --items e=0

"$LATHE" compile --quiet $model --name seq $items -o "$work/libseq.so"
for line in 'const float \*x_0;' 'const float \*x_2;' 'const lathe_string \*words_1;' 'lathe_buffer shorter_0;' 'lathe_buffer longer_3;'; do
    grep -q "$line" "$work/seq.h" || { echo "the header has no '$line'" && exit 1; }
done
"$LATHE" run --quiet "$work/libseq.so" --case $case/test_data_set_0 --output-format pb --output-dir "$work"
"$LATHE" run --quiet "$work/libseq.so" --input x=$case/test_data_set_0/input_0.pb --input words=$case/test_data_set_0/input_1.pb \
    --input "o=$work/output_10.pb" --output-format pb --output-dir "$work/again"
cmp "$work/output_1.pb" "$work/again/output_1.pb"
cmp "$work/output_7.pb" "$work/again/output_7.pb"
refused "the model has no input 'x[3]'" run "$work/libseq.so" --input "x=$case/test_data_set_0/output_1.pb"
