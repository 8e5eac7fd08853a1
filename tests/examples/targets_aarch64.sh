#!/bin/sh
# Both targets of aarch64 in one library, on emulated processors with and without the features.
set -eu
dir="$WORK/targets_aarch64"
mkdir -p "$dir"
list=aarch64,aarch64+bf16
"$LATHE" compile -q examples/adder/model.onnx --name adder --target $list -o "$dir/two.so"
"$LATHE" compile -q examples/adder/model.onnx --name adder --target aarch64+bf16 -o "$dir/best.so"
aarch64-linux-gnu-gcc -std=c11 -O2 -D_GNU_SOURCE -Iinclude -I. tests/tools/target.c driver/library.c -ldl -o "$dir/target"

# on CPU EXPECTED ARGUMENT...: what target prints.
on() {
    cpu=$1 expected=$2
    shift 2
    got=$(qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu "$cpu" "$dir/target" "$@" || true)
    [ "$got" = "$expected" ] || { echo "$cpu, $*: '$got', expected '$expected'"; exit 1; }
}
on max aarch64+bf16 "$dir/two.so"
on max aarch64 "$dir/two.so" 0x40000
on cortex-a72 aarch64 "$dir/two.so"
on cortex-a72 "this processor lacks DOTPROD, I8MM, BF16; the least target of 'adder' is aarch64+bf16" "$dir/best.so"
on neoverse-n1 "this processor lacks I8MM, BF16; the least target of 'adder' is aarch64+bf16" "$dir/best.so"
for cpu in max cortex-a72; do
    "$LATHE" test --guard --target $list --runner "qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu $cpu" examples/adder
done
# Products of codes by every row of the table: -cpu max has all, the others have less.
every=aarch64,aarch64+dotprod,aarch64+i8mm
for cpu in max neoverse-n1 cortex-a72; do
    "$LATHE" test --guard --target $every --runner "qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu $cpu" \
        tests/cases/integer_products tests/cases/ms_integer_products tests/cases/quantised_conv
done
"$LATHE" test --guard --target $list --cpu aarch64 --runner "qemu-aarch64 -L /usr/aarch64-linux-gnu" examples/adder
