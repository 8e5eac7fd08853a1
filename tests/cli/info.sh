#!/bin/sh
# info: what it says of a library, of a model, and of a weight file; and what it refuses.
set -eu
dir=$WORK/info
mkdir -p "$dir"

says() {  # CODE TEXT OPTION...: the whole output
    code=$1 text=$2 got=0
    shift 2
    "$LATHE" info "$@" >"$dir/out" 2>&1 || got=$?
    sed 's/build [0-9a-f]\{16\}/build B/; s/"build": "[0-9a-f]*"/"build": B/; s/hash [0-9a-f]\{16\}/hash H/' "$dir/out" >"$dir/short"
    printf '%s\n' "$text" >"$dir/want"
    [ "$got" = "$code" ] && cmp -s "$dir/short" "$dir/want" && return
    echo "lathe info $*: exit code $got, expected $code"
    diff "$dir/want" "$dir/short"
    exit 1
}

"$LATHE" compile examples/adder/model.onnx --name adder -o "$dir/libadder.so" --target x86-64,x86-64-v3
io="model     adder, runtime 0.1.0, build B
targets   x86-64-v3, x86-64; here x86-64
input     input_ids: i64[batch, sequence]
output    logits: f32[batch, sequence, 13]
size      batch: from 0
size      sequence: from 0"
weights=$(($(wc -c <"$dir/adder.weights") - 4096))
says 0 "$io
weights   $weights bytes
memory    depends on sizes: --dim batch=N" "$dir/libadder.so" --cpu x86-64
says 0 "$io
weights   $weights bytes
memory    depends on sizes: --dim sequence=N" "$dir/libadder.so" --cpu x86-64 --dim batch=2
"$LATHE" info "$dir/libadder.so" --cpu x86-64 --dim batch=2 --dim sequence=8 >"$dir/out"
grep -q '^memory    exactly [0-9]* bytes a session and [0-9]* a thread$' "$dir/out" || { cat "$dir/out"; exit 1; }
says 2 "lathe: no size of the model is called 'batsh'; hint: did you mean 'batch'?" "$dir/libadder.so" --dim batsh=2
says 4 "error: $dir/libadder.so: memory for these sizes cannot be planned" "$dir/libadder.so" --dim batch=2000000000 --dim sequence=2000000000

# ---- a model is compiled first, and the same said as JSON ----
"$LATHE" info --json examples/adder/model.onnx --dim batch=2 --dim sequence=8 >"$dir/json"
grep -q '"inputs": \[{"name": "input_ids", "type": "i64", "dims": \[2, 8\]}\]' "$dir/json" || { cat "$dir/json"; exit 1; }
grep -q '"sizes": \[\], "states": \[\], "weights": [0-9]*, "memory": {"kind": "exact", "arena": [0-9]*, ' "$dir/json" || { cat "$dir/json"; exit 1; }
if command -v python3 >/dev/null; then python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$dir/json"; fi

# ---- weights ----
says 0 "weights   of build B, $weights bytes, hash H" "$dir/adder.weights"
says 0 '{"build": B, "weights": '$weights', "hash": "'"$(od -An -tx8 -j24 -N8 "$dir/adder.weights" | tr -d ' ')"'"}' --json "$dir/adder.weights"
head -c 5000 "$dir/adder.weights" >"$dir/cut.weights"
says 2 "error: $dir/cut.weights: the file is cut off: expected $((weights + 4096)) bytes, found 5000" "$dir/cut.weights"
echo "something else, of more than the bytes that a header has" >"$dir/odd.weights"
says 2 "error: $dir/odd.weights: this is not a weight file of lathe" "$dir/odd.weights"
says 2 "error: $dir/none.weights: No such file or directory" "$dir/none.weights"
