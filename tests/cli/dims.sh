#!/bin/sh
# Sizes of one name that differ, and an If of which one branch alone suits what follows: a run that needs the other one fails and says so.
set -eu
case=tests/cases/branch_valid_alone
work=$WORK/branches
mkdir -p "$work"
"$LATHE" run --quiet $case/model.onnx --case $case/test_data_set_0 --output-dir "$work"
if "$LATHE" run --quiet $case/model.onnx --case $case/invalid --output-dir "$work" >"$work/out" 2>&1; then
    echo "a run with one row went through" && exit 1
fi
grep -qF "the model is not valid for these sizes: node 'z_Transpose' (Transpose-18)" "$work/out" || { cat "$work/out"; exit 1; }

# Inputs that differ in what the model calls n: refused, and taken with --dim n=each, which the header shows.
case=tests/cases/sizes_of_one_name
if "$LATHE" run --quiet $case/model.onnx --case $case/test_data_set_1 --output-dir "$work" >"$work/out" 2>&1; then
    echo "sizes that the model calls n differ, and nobody said so" && exit 1
fi
grep -qF "dim 0 is 1, expected 3 (n)" "$work/out" || { cat "$work/out"; exit 1; }
"$LATHE" run --quiet $case/model.onnx --dim n=each --case $case/test_data_set_1 --output-dir "$work"
"$LATHE" compile --quiet $case/model.onnx --name sizes --dim n=each -o "$work/libsizes.so"
grep -q 'z_dim0' "$work/sizes.h"
