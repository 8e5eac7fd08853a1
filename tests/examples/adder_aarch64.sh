#!/bin/sh
# The adder for aarch64 under the emulated processor: its case, and the example program with the
# first problems of its file, as a whole file takes minutes there.
set -eu
dir="$WORK/aarch64"
mkdir -p "$dir"
run="qemu-aarch64 -L /usr/aarch64-linux-gnu"
header=128 problem=96 problems=100
"$LATHE" test --guard --target aarch64 --runner "$run" examples/adder
"$LATHE" compile examples/adder/model.onnx --name adder --target aarch64 -o "$dir/libadder.so"
aarch64-linux-gnu-gcc -std=c11 -O2 -Iinclude -I"$dir" examples/adder/main.c -L"$dir" -ladder -o "$dir/adder"
head -c $((header + problem * problems)) examples/adder/problems.npy >"$dir/some.npy"
$run -E LD_LIBRARY_PATH="$dir" "$dir/adder" "$dir/some.npy" | grep -x "$problems of $problems problems right"
