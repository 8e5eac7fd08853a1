#!/bin/sh
# The adder for aarch64: its case under the emulated runner, and the example program.
set -eu
dir="$WORK/aarch64"
mkdir -p "$dir"
run="qemu-aarch64 -L /usr/aarch64-linux-gnu"
"$LATHE" test --guard --target aarch64 --runner "$run" examples/adder
"$LATHE" compile examples/adder/model.onnx --name adder --target aarch64 -o "$dir/libadder.so"
aarch64-linux-gnu-gcc -std=c11 -O2 -Iinclude -I"$dir" examples/adder/main.c -L"$dir" -ladder -o "$dir/adder"
$run -E LD_LIBRARY_PATH="$dir" "$dir/adder" examples/adder/problems.npy | grep -x '2000 of 2000 problems right'
