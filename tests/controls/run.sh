#!/bin/sh
# lathe test must notice what is wrong: copies of the adder's case with a wrong value, wrong dims, a
# wrong type, and with an output missing each fail, for that reason; the untouched copy passes.
set -eu
make_case() {
    mkdir -p "$WORK/$1/test_data_set_0"
    cp examples/adder/model.onnx examples/adder/meta.json "$WORK/$1/"
    cp examples/adder/test_data_set_0/* "$WORK/$1/test_data_set_0/"
    chmod -R u+w "$WORK/$1"
    expected="$WORK/$1/test_data_set_0/output_0.pb"
}
must_fail() {
    if "$LATHE" test "$WORK/$1" >"$WORK/out"; then
        echo "$1: was not noticed"
        exit 1
    fi
    grep -q "$2" "$WORK/out" || { echo "$1: another reason"; cat "$WORK/out"; exit 1; }
    grep -qx '0 passed, 1 failed, 0 skipped' "$WORK/out"
}
make_case right
"$LATHE" test --guard "$WORK/right" | grep -qx '1 passed, 0 failed, 0 skipped'

# The last 4 bytes of the file are part of raw_data: flip the sign and exponent of a value.
make_case value
size=$(stat -c %s "$expected")
printf '\377\377' | dd of="$expected" bs=1 seek=$((size - 20)) conv=notrunc 2>/dev/null
must_fail value "output 0"

# Dims come first in a TensorProto: field 1, varints. 0x08 N is one dim. The first one and the second
# change places; then the first one is larger than the data has elements for.
make_case dims
dd if="$expected" of="$WORK/first" bs=1 skip=1 count=1 2>/dev/null
dd if="$expected" of="$WORK/second" bs=1 skip=3 count=1 2>/dev/null
dd if="$WORK/second" of="$expected" bs=1 seek=1 conv=notrunc 2>/dev/null
dd if="$WORK/first" of="$expected" bs=1 seek=3 conv=notrunc 2>/dev/null
must_fail dims "output 0"
old=$(od -An -tu1 -j1 -N1 "$expected" | tr -d ' ')
printf "\\$(printf %03o $((old + 1)))" | dd of="$expected" bs=1 seek=1 conv=notrunc 2>/dev/null
must_fail dims "bytes of raw data, dims say"

# data_type is field 2: the bytes 0x10 0x01 (float) become 0x10 0x06 (int32).
make_case type
at=$(LC_ALL=C grep -obUaP '\x10\x01' "$expected" | head -n 1 | cut -d: -f1)
printf '\006' | dd of="$expected" bs=1 seek=$((at + 1)) conv=notrunc 2>/dev/null
must_fail type "output 0"

make_case extra
cp "$expected" "$WORK/extra/test_data_set_0/output_1.pb"
must_fail extra "output 1 is missing"

make_case none
rm "$expected"
must_fail none "no expected outputs"

make_case nodata
rm -r "$WORK/nodata/test_data_set_0"
if "$LATHE" test "$WORK/nodata" >"$WORK/out"; then echo "a skipped case counted as passed"; exit 1; fi
grep -qx '0 passed, 0 failed, 1 skipped' "$WORK/out"
