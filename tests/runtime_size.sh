#!/bin/sh
# What a compiled model brings along: its library's code and constants less those of the model's own
# object are the runtime's, at most 32 KB of code, with states 8 KB more. The object may refer to
# the runtime only.
set -eu
models="examples/adder examples/digits examples/licence_lm"
for m in bert gpt2_decode mixtral; do
    [ -d "../shared/models/$m" ] && models="$models ../shared/models/$m"
done

# section FILE NAME: bytes of the section and of those whose names start with it.
section() {
    size -A "$1" | awk -v name="$2" 'index($1, name) == 1 { sum += $2 } END { print sum + 0 }'
}

for m in $models; do
    "$LATHE" compile "$m/model.onnx" --name sized -o "$WORK/libsized.so"
    "$LATHE" compile "$m/model.onnx" --name sized --emit obj -o "$WORK/sized.o"
    other=$(nm -u "$WORK/sized.o" | awk '{ print $2 }' | grep -v '^lathe_rt_' || true)
    code=$(($(section "$WORK/libsized.so" .text) - $(section "$WORK/sized.o" .text)))
    limit=32768
    if nm -u "$WORK/sized.o" | grep -q lathe_rt_states; then limit=40960; fi
    constants=$(($(section "$WORK/libsized.so" .rodata) - $(section "$WORK/sized.o" .rodata)))
    echo "$(basename "$m"): runtime $code bytes of code, $constants of constants (limit $limit of code)"
    if [ -n "$other" ]; then
        echo "$m: the object refers to" $other
        exit 1
    fi
    if [ "$code" -le 0 ] || [ "$code" -gt "$limit" ]; then exit 1; fi
done
