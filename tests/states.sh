#!/bin/sh
# Sessions that own a decoder's states against callers that pass them on: the same bits, over random
# prompts with rewinds, forks, new orders, saved and loaded states, on one thread and on two.
set -eu
prompts=50
cc -std=gnu11 -O1 -Wall -Wextra -Werror -Iinclude tests/tools/states.c -ldl -o "$WORK/states"

# both STATE MODEL [OPTION...]
both() {
    state=$1 model=$2
    shift 2
    "$LATHE" compile --quiet --state "$state" "$model/model.onnx" --name decoder -o "$WORK/libdecoder.so" "$@"
    for threads in 1 2; do
        printf '%s: ' "$(basename "$model")"
        "$WORK/states" "$WORK/libdecoder.so" decoder $prompts $threads
    done
}

both auto examples/licence_lm
[ -d ../shared/models ] || exit 0
for model in $(cat tests/expected/states.txt); do both auto "../shared/models/$model"; done
both auto ../shared/models/gpt2_merged --set use_cache_branch=1
both state=output_1 ../shared/models/retnet_recurrent
