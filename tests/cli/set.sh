#!/bin/sh
# --set: an input that is a constant. The branch that it decides on is all that is compiled, with the results that the model has for it.
set -eu
model=tests/cases/branches_by_data/model.onnx
work=$WORK/set
mkdir -p "$work"

refused() {  # MESSAGE, arguments
    text=$1
    shift
    if "$LATHE" "$@" >"$work/out" 2>&1; then echo "lathe $*: not refused" && exit 1; fi
    grep -qF -- "$text" "$work/out" || { echo "lathe $*: expected '$text'"; cat "$work/out"; exit 1; }
}

refused "--set: no input is called 'nope'" check --set nope=1 $model
refused "tensor 'x': --set: dim 0 is open, only inputs of known sizes can be set" check --set x=3 $model
refused "tensor 'c': --set: 2 does not fit in bool" check --set c=2 $model
refused "--set takes NAME=VALUE, not 'c='" check --set c= $model
"$LATHE" info --set c=1 $model >"$work/info"
grep -q '^input *x: ' "$work/info" && ! grep -q '^input *c: ' "$work/info"

# both SET VALUE: the outputs are those of a run that is given the value.
both() {
    data=tests/cases/branches_by_data/test_data_set_$1
    for dir in given set; do rm -rf "$work/$dir" && mkdir "$work/$dir"; done
    "$LATHE" run --quiet $model -i x="$data/input_0.pb" -i c="$data/input_1.pb" --output-dir "$work/given"
    "$LATHE" run --quiet $model -i x="$data/input_0.pb" --set "c=$2" --output-dir "$work/set"
    for file in "$work"/given/*; do cmp "$file" "$work/set/$(basename "$file")" || return 1; done
}
both 0 1
both 1 0
if both 1 1 >/dev/null 2>&1; then echo "the value decides nothing" && exit 1; fi
