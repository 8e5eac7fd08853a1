#!/bin/sh
# The weight file of a model whose tables and weights fill panels has no more than 1.04 bytes for
# each byte of codes, scales and tables: what several nodes read is stored once.
set -eu
cd "$(dirname "$0")/../.."

# MODEL BYTES: of the initializers that a run reads.
at_most() {
    "$LATHE" compile -q "../shared/$1/model.onnx" --name m --emit obj -o "$WORK/m.o"
    size=$(($(wc -c <"$WORK/m.weights") - 4096))
    [ $((size * 100)) -le $(($2 * 104)) ] && return
    echo "$1: $size bytes of weights for $2"
    exit 1
}

at_most reports/tied_table_transpose 3072000
