#!/bin/sh
# The example program, with the header as C11 and as C++17, answers all 2,000 problems.
set -eu
"$LATHE" compile examples/adder/model.onnx --name adder -o "$WORK/libadder.so"
flags="-Wall -Wextra -Wpedantic -Werror -Iinclude -I$WORK"
cc -std=c11 $flags examples/adder/main.c -L"$WORK" -ladder -Wl,-rpath,"$WORK" -o "$WORK/adder"
printf '#include "adder.h"\nint main() { return sizeof(adder_io) == 0; }\n' >"$WORK/header.cc"
c++ -std=c++17 $flags -fsyntax-only "$WORK/header.cc"
"$WORK/adder" examples/adder/problems.npy | grep -x '2000 of 2000 problems right'
"$WORK/adder" 123 456 | grep -x '123 + 456 = 579'
