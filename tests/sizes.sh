#!/bin/sh
# sizes.sh [--bless]: after the passes that clean up, exporters' shape arithmetic is gone. For each model: how
# many nodes are left, and how many of them only compute sizes - lists of sizes, and maps that read
# neither data nor a position, of rank 0 or 1 - which must be none. The counts stand in tests/expected/sizes.txt.
set -u
models="bert gpt2 gpt2_decode llama llama_prefill t5_encoder vit clip_text dit"
for m in $models; do
    "$LATHE" compile "../shared/models/$m/model.onnx" -O0 --disable-pass decompose \
        --emit ir -o "$WORK/sizes.ir" || exit 1
    nodes=$(grep -cE '^ +%[0-9].* = ' "$WORK/sizes.ir")
    sizes=$(grep -E ': [biu][a-z0-9]*\[[^,]*\] .*= (values|map)\(\)' "$WORK/sizes.ir" | grep -cvE 'body=\[.*\bi[0-9]')
    echo "$m: $nodes nodes, $sizes compute sizes"
done >"$WORK/sizes"
if [ "${1-}" = --bless ]; then cp "$WORK/sizes" tests/expected/sizes.txt; fi
diff tests/expected/sizes.txt "$WORK/sizes" && ! grep -v ' 0 compute sizes' "$WORK/sizes"
