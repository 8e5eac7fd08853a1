#!/bin/sh
# An If of which one branch alone suits what follows: a run that needs the other one fails and says so.
set -eu
case=tests/cases/branch_valid_alone
work=$WORK/branches
mkdir -p "$work"
"$LATHE" run --quiet $case/model.onnx --case $case/test_data_set_0 --output-dir "$work"
if "$LATHE" run --quiet $case/model.onnx --case $case/invalid --output-dir "$work" >"$work/out" 2>&1; then
    echo "a run with one row went through" && exit 1
fi
grep -qF "the model is not valid for these sizes: node 'z_Transpose' (Transpose-18)" "$work/out" || { cat "$work/out"; exit 1; }
