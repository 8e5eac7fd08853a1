#!/bin/sh
# peer.sh CASE...: each model against ONNX Runtime on this machine: interleaved pairs, and the median
# of each side's medians, with one thread and with all cores. A case is a folder with model.onnx and
# test_data_set_0, such as ../shared/perf/materialize.py makes. ORT_NODE_DIR names the folder that
# ../shared/peer/README.md installs the peer into. PAIRS (5) and SECONDS_EACH (2) of a run; LATHE: the command.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
lathe=${LATHE:-$root/build/release/lathe}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
field() { sed -n 's/.*"median_ms": *\([0-9.]*\).*/\1/p'; }

echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
for case in "$@"; do
    "$lathe" compile -q "$case/model.onnx" --name m -o "$work/libpeer.so"
    for threads in 1 $(nproc); do
        : >"$work/ours"
        : >"$work/theirs"
        for _ in $(seq "${PAIRS:-5}"); do
            "$lathe" bench --json "$work/libpeer.so" --case "$case/test_data_set_0" --threads "$threads" \
                --seconds "${SECONDS_EACH:-2}" | field >>"$work/ours"
            node "$root/../shared/peer/ort_bench.mjs" "$case" --threads "$threads" \
                --seconds "${SECONDS_EACH:-2}" | field >>"$work/theirs"
        done
        ours=$(median <"$work/ours") theirs=$(median <"$work/theirs")
        awk -v n="$(basename "$case")" -v t="$threads" -v a="$ours" -v b="$theirs" \
            'BEGIN { printf "%s, %d threads: %.2f ms, ONNX Runtime %.2f ms, ratio %.3f\n", n, t, a, b, a / b }'
    done
done
