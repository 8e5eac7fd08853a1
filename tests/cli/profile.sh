#!/bin/sh
# bench: random inputs where none are given, and a profile whose lines add up to the run.
set -eu
dir="$WORK/profile"
mkdir -p "$dir"
has() { grep -qE -- "$2" "$1" || { echo "no '$2' in:"; cat "$1"; exit 1; }; }

model=examples/licence_lm
"$LATHE" bench $model --seconds 0.05 --profile >"$dir/text"
has "$dir/text" '^machine: .* GFLOP/s, reads .* GB/s$'
has "$dir/text" '^kernel [0-9]+ .* G(FLOP|B)/s +[0-9]+ % .*\('
has "$dir/text" 'all steps together'

"$LATHE" bench $model --seconds 0.05 --profile --json >"$dir/json"
python3 - "$dir/json" <<'END'
import json, sys
p = json.load(open(sys.argv[1]))["profile"]
total = sum(k["ms"] for k in p["kernels"])
assert abs(total - p["steps_ms"]) < 1e-3 * total, (total, p["steps_ms"])
assert 0 < total <= p["run_ms"], (total, p["run_ms"])
assert p["machine_gflops"] > 0 and p["machine_gbs"] > 0
assert any(k.get("gflops", k.get("gbs", 0)) > 0 for k in p["kernels"]), "no rate"
assert any(k["nodes"] for k in p["kernels"]), "no node"
names = [n["name"] for k in p["kernels"] for n in k["nodes"]]
assert len(names) > 2 * len(p["kernels"]), "only one node a step"
assert p["kernels"] == sorted(p["kernels"], key=lambda k: -k["ms"])
END

# Without a profile none is printed; a free size is asked for by name, and --dim gives it.
"$LATHE" bench $model/model.onnx --seconds 0.01 >"$dir/out" 2>"$dir/err" && { echo "free sizes were made up"; exit 1; }
has "$dir/err" "is not given and its size '.*' is free: --dim"
"$LATHE" bench examples/digits/model.onnx --dim batch=2 --seconds 0.01 >"$dir/out"
has "$dir/out" '^median'
"$LATHE" compile -q examples/digits/model.onnx --name digits -o "$dir/libdigits.so"
"$LATHE" bench "$dir/libdigits.so" --dim batch=2 --seconds 0.01 >"$dir/out"
has "$dir/out" '^median'
! grep -q '^kernel' "$dir/out"

# A library names one node a step, or all of them if it is asked to; so does generated text.
count() { "$LATHE" bench "$1" --case examples/digits/test_data_set_0 --seconds 0.01 --profile --json |
    python3 -c 'import json, sys; print(sum(len(k["nodes"]) for k in json.load(sys.stdin)["profile"]["kernels"]))'; }
"$LATHE" compile -q examples/digits/model.onnx --name all --origins -o "$dir/liball.so"
[ "$(count "$dir/liball.so")" -gt "$(count "$dir/libdigits.so")" ]
nm "$dir/liball.so" >"$dir/all.nm"
nm "$dir/libdigits.so" >"$dir/digits.nm"
has "$dir/all.nm" ' t [a-z]+_[0-9]+\.[^ ]*(MatMul|Gemm)'
! grep -qE ' t [a-z]+_[0-9]+\.[^ ]*(MatMul|Gemm)' "$dir/digits.nm"
"$LATHE" compile -q examples/digits/model.onnx --emit asm --origins -o "$dir/named.s"
has "$dir/named.s" '^# from .*\((MatMul|Gemm)\), .*\(Add|Relu|Gelu'
"$LATHE" compile -q examples/digits/model.onnx --emit asm -o "$dir/digits.s"
has "$dir/digits.s" '^# from .*\((MatMul|Gemm)\), .*\(Add|Relu|Gelu'
"$LATHE" compile -q examples/digits/model.onnx --emit llvm -o "$dir/digits.ll"
has "$dir/digits.ll" '^; from '
as "$dir/digits.s" -o "$dir/digits.o"

# A timeline: every step lies in the run, chunks of workers lie in a step, and names are the model's.
"$LATHE" bench examples/digits/model.onnx --dim batch=64 --threads 2 --seconds 0.02 --trace "$dir/trace.json" >"$dir/out"
python3 - "$dir/trace.json" <<'END'
import json, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
rows = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
assert rows == {0: "steps", 1: "worker 0", 2: "worker 1"}, rows
steps = [e for e in events if e["ph"] == "X" and e["tid"] == 0]
chunks = [e for e in events if e["ph"] == "X" and e["tid"] > 0]
assert steps and chunks
assert any(len(e["args"]["nodes"]) > 1 for e in steps if "nodes" in e["args"])
within = lambda a, b: a["ts"] >= b["ts"] - 0.01 and a["ts"] + a["dur"] <= b["ts"] + b["dur"] + 0.01
for c in chunks:
    assert any(within(c, s) and s["args"]["step"] == c["args"]["step"] for s in steps), c
END
"$LATHE" bench $model --seconds 0.02 --trace "$dir/none/trace.json" >"$dir/out" 2>"$dir/err" && { echo "a trace went nowhere"; exit 1; }
has "$dir/err" "none/trace.json.*cannot be written"
