#!/bin/sh
# The trained example models give what they gave where they were trained: the digits' accuracy, the
# language model's nats per byte within 1e-4 and its greedy text exactly.
# With narrow weights they lose little: nats at most 0.5 % with 8 bits, 5 % with 4, digits one in a hundred.
set -eu
WORK=$WORK/demo_models # -lm must not find the library of another test's model
mkdir -p "$WORK"
build() { # NAME [OPTION...]
    "$LATHE" compile "examples/$1/model.onnx" --name "$@" -o "$WORK/lib$1.so"
    cc -std=gnu11 -O2 -Wall -Wextra -Werror -Iinclude -I"$WORK" "examples/$1/main.c" \
        -L"$WORK" "-l$1" -Wl,-rpath,"$WORK" -lm -o "$WORK/$1"
}
build_lm() { # [OPTION...]
    build licence_lm "$@"
    cc -std=gnu11 -O2 -Wall -Wextra -Werror -Iinclude -I"$WORK" examples/licence_lm/evaluate.c \
        -L"$WORK" -llicence_lm -Wl,-rpath,"$WORK" -lm -o "$WORK/evaluate"
}
build digits
"$WORK/digits" examples/digits/images.npy examples/digits/labels.npy | grep -x '395 of 400 right, accuracy 0.9875'
"$WORK/digits" examples/digits/images.npy 0 | grep 'this is a '

build_lm
nats=$("$WORK/evaluate" examples/licence_lm/eval_tokens.npy | cut -d' ' -f1)
want=$(sed -n 's/.*"eval_nll_nats_per_byte": \([0-9.]*\).*/\1/p' examples/licence_lm/expected.json)
echo "$nats nats per byte, expected $want"
awk -v a="$nats" -v b="$want" 'BEGIN { d = a - b; exit !(d < 1e-4 && d > -1e-4) }'
# The expected text stands in JSON: escape what is generated in the same way and look for it.
"$WORK/licence_lm" -n 240 "  This program is free software: you can redistribute it" 2>/dev/null >"$WORK/text"
escaped=$(awk '{ printf "%s%s", sep, $0; sep = "\\n" }' "$WORK/text")
greedy=$(sed -n 's/.*"greedy": "\(.*\)",$/\1/p' examples/licence_lm/expected.json)
[ -n "$greedy" ]
case "$escaped" in
"$greedy"*) echo "the greedy text is the expected one" ;;
*) echo "greedy: $escaped"; echo "expected: $greedy"; exit 1 ;;
esac

for each in w8:0.005 w4:0.05 bf16:0.005 f16:0.005; do
    build_lm --precision "${each%:*}"
    nats=$("$WORK/evaluate" examples/licence_lm/eval_tokens.npy | cut -d' ' -f1)
    echo "${each%:*}: $nats nats per byte, expected $want"
    awk -v a="$nats" -v b="$want" -v most="${each#*:}" 'BEGIN { exit !(a - b < most * b) }'
done
for precision in w8 w4; do
    build digits --precision $precision
    right=$("$WORK/digits" examples/digits/images.npy examples/digits/labels.npy | cut -d' ' -f1)
    echo "$precision: $right of 400 digits right"
    [ "$right" -ge 391 ]
done
