#!/bin/sh
# Sessions that own a decoder's states against callers that pass them on: the same bits, over random
# prompts with rewinds, forks, new orders, saved and loaded states, on one thread and on two.
set -eu
prompts=50
cc -std=gnu11 -O1 -Wall -Wextra -Werror -Iinclude tests/tools/states.c -ldl -o "$WORK/states"

# both STATE MODEL
both() {
    "$LATHE" compile --quiet --state "$1" "$2/model.onnx" --name decoder -o "$WORK/libdecoder.so"
    for threads in 1 2; do
        printf '%s: ' "$(basename "$2")"
        "$WORK/states" "$WORK/libdecoder.so" decoder $prompts $threads
    done
}

both auto examples/licence_lm
[ -d ../shared/models ] || exit 0
for model in $(cat tests/expected/states.txt); do both auto "../shared/models/$model"; done
both state=output_1 ../shared/models/retnet_recurrent
