#!/bin/sh
# Every model of tests/fused becomes one attention kernel, for any batch and for a batch that is
# fixed. LATHE is the command, WORK a folder to write to.
set -u
cd "$(dirname "$0")/../fused" || exit 2
failed=0
for model in *.onnx; do
    for batch in "" "--dim batch=1"; do
        # shellcheck disable=SC2086
        text=$("$LATHE" compile "$model" $batch -o "${WORK:-/tmp}/fused.so" --dump-after fuse_attention 2>&1)
        found=$(printf '%s\n' "$text" | grep -c ' = attention(')
        left=$(printf '%s\n' "$text" | grep -c ' = contract(')
        [ "$found" = 1 ] && [ "$left" = 0 ] && continue
        failed=1
        echo "$model $batch: $found attention and $left contract nodes, expected 1 and 0"
    done
done
exit $failed
