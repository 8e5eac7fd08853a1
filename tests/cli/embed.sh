#!/bin/sh
# Embedded weights of an x86-64 model are a large section: between code and the data that code reaches
# with 32 bits there is none of them, however many they are.
set -eu
"$LATHE" compile --quiet examples/digits/model.onnx --name digits --target x86-64 --weights embed --emit obj -o "$WORK/digits.o"
"$LATHE" compile --quiet examples/digits/model.onnx --name digits --target x86-64 --weights embed -o "$WORK/libdigits.so"
readelf -SW "$WORK/digits.o" | grep -qE '\.lrodata.* Al +'
readelf -SW "$WORK/libdigits.so" | awk '
    sub(/^ *\[ *[0-9]+\] /, "") && $7 ~ /A/ { n++; if ($1 ~ /^\.lrodata/) { large = n } else if ($1 == ".rodata" || $1 ~ /^\.(text|data)/) { if (!first) first = n; last = n } }
    END { if (!large || !first || (large > first && large < last)) { print "weights at " large ", code and data from " first " to " last; exit 1 } }'
"$LATHE" compile --quiet examples/digits/model.onnx --name digits --target aarch64 --weights embed --emit obj -o "$WORK/arm.o"
readelf -SW "$WORK/arm.o" | grep -qE ' \.rodata\.weights .* A +'
