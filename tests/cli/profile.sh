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
assert 0.5 * p["run_ms"] < total <= p["run_ms"], (total, p["run_ms"])
assert p["machine_gflops"] > 0 and p["machine_gbs"] > 0
assert any(k.get("gflops", k.get("gbs", 0)) > 0 for k in p["kernels"]), "no rate"
assert any(k["nodes"] for k in p["kernels"]), "no node"
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
