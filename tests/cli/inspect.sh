#!/bin/sh
# inspect: the page holds valid data, complete, and a browser shows every view of it without an error.
set -eu
dir=$WORK/inspect
mkdir -p "$dir"

"$LATHE" inspect examples/adder/model.onnx --case examples/adder/test_data_set_0 -s 0.05 -o "$dir/adder.html" >"$dir/out"
echo "$dir/adder.html" | cmp - "$dir/out"
"$LATHE" inspect --json examples/adder/model.onnx -o "$dir/folder" >"$dir/out"
echo '{"page": "'"$dir"'/folder/index.html", "timed": false}' | cmp - "$dir/out"
"$LATHE" compile examples/adder/model.onnx --name adder -o "$dir/libadder.so"
"$LATHE" inspect "$dir/libadder.so" --at batch=1 --at sequence=8 -s 0.05 -o "$dir/library.html" >"$dir/out"
echo "$dir/library.html" | cmp - "$dir/out"

fails() {  # CODE TEXT OPTION...
    code=$1 text=$2 got=0
    shift 2
    "$LATHE" inspect "$@" >"$dir/out" 2>&1 || got=$?
    [ "$got" = "$code" ] && grep -qF -- "$text" "$dir/out" && return
    echo "lathe inspect $*: exit code $got, expected $code and '$text':"
    cat "$dir/out"
    exit 1
}
fails 2 "$dir/none.onnx" "$dir/none.onnx" -o "$dir/none.html"
fails 2 "$dir/none.npy" examples/adder/model.onnx --input input_ids="$dir/none.npy" -o "$dir/none.html"
fails 1 "--level takes 0 or 2, not '1'" examples/adder/model.onnx -O1 -o "$dir/none.html"
fails 4 "$dir/none/page.html: cannot be written" examples/adder/model.onnx -o "$dir/none/page.html"
[ ! -e "$dir/none.html" ]

# A name that would end the element it stands in.
printf '%s\n' 'graph "names"' 'region(%0: f32[4] "</script><b>") {' '  %1: f32[4] = map(%0) space=[4] body=[tanh($0[i0])]' '  return %1 "y"' '}' >"$dir/names.ir"
"$LATHE" inspect "$dir/names.ir" -o "$dir/names.html" >/dev/null
[ "$(grep -c '</script>' "$dir/names.html")" = 3 ] || { echo "a name ends the data"; exit 1; }

if command -v python3 >/dev/null; then
    python3 - "$dir/adder.html" <<'END'
import json, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
data = json.loads(re.search(r'<script type="application/json" id="data">\n(.*?)</script>', page, re.S).group(1))
passes = data["compilation"]["passes"]
assert [p["name"] for p in passes[:2]] == ["import", "conv_contract"], passes[0]["name"]
nodes = {}
for p in passes:
    for gone in p["gone"]:
        del nodes[gone]
    for node in p["nodes"]:
        nodes[node["id"]] = node
made = {v[0] for n in nodes.values() for v in n["out"]} | {v[0] for b in passes[-1]["blocks"] for v in b["in"]}
assert all(v == 0 or v in made for n in nodes.values() for v in n["in"]), "a value that nobody makes"
program = data["compilation"]["program"]
assert {s["kernel"] for s in program["steps"] if "kernel" in s} == set(range(len(program["kernels"])))
for kernel in program["kernels"]:
    assert re.search(rf"^{kernel['name']}:", data["compilation"]["assembly"], re.M), kernel["name"]
assert data["times"]["sizes"] == {"batch": data["times"]["sizes"]["batch"], "sequence": data["times"]["sizes"]["sequence"]}
assert abs(sum(k["share"] for k in data["times"]["profile"]["kernels"]) - data["times"]["profile"]["steps_ms"] / data["times"]["profile"]["run_ms"]) < 0.01
END
else
    echo "skip: no python3 to read the data with"
fi

# What each view must show, in a browser, whose errors are none.
browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ]; then
    echo "skip: no chromium to look at the page with"
    exit 0
fi
shows() {  # PAGE#VIEW TEXT...
    page=$1
    shift
    timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$dir/profile" --virtual-time-budget=10000 \
        --enable-logging=stderr --dump-dom "file://$dir/$page" >"$dir/dom" 2>"$dir/log" || { cat "$dir/log"; exit 1; }
    if grep -E 'CONSOLE.*(rror|Uncaught)' "$dir/log"; then exit 1; fi
    for text; do grep -qF -- "$text" "$dir/dom" || { echo "$page: no '$text'"; exit 1; }; done
}
shows "adder.html#Graph" 'aria-selected="true"' 'class="node' 'input_ids' 'after products'
shows "adder.html#Kernels" 'GFLOP/s' 'Roofline' 'nodes of the model'
shows "adder.html#Memory" 'Alive at once: at most' 'alive at the peak'
shows "adder.html#Decisions" 'replace known contents' 'Nests that pass a tensor through memory'
shows "names.html#Graph" '&lt;/script&gt;&lt;b&gt;'
shows "library.html#Kernels" 'ms a run' 'attention'
