#!/bin/bash
# compile_cost.sh [NAME...]: what compiling a full-size model costs: seconds, and the peak of
# anonymous resident memory (RssAnon: mapped files are not in it) of the compiler and the linker it
# starts. Then what the compiled model needs: weights, planned memory and its lower bound.
# Models are made by ../shared/perf/materialize.py, one at a time, in $TMPDIR. LATHE: the command.
# Fails if a bar is missed: bert_base 15 s and 300 MB, others 1500 MB; planned memory 1.25 x bound.
set -eu
cd "$(dirname "$0")/.."
lathe=${LATHE:-build/release/lathe}
[ $# -gt 0 ] || set -- bert_base vit_b16 gpt2_124m_prefill llama_1b_decode
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# kB of a process and its children.
rss_anon() {
    local pid sum=0 kb
    for pid in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        kb=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || continue
        sum=$((sum + ${kb:-0}))
    done
    echo "$sum"
}

miss() {
    echo "  MISSED: $*"
    status=1
}

for name in "$@"; do
    /usr/bin/python3 ../shared/perf/materialize.py "$name" "$work/case" >/dev/null
    start=$(date +%s.%N) peak=0
    "$lathe" compile "$work/case/model.onnx" --name m -o "$work/libm.so" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        now=$(rss_anon "$pid")
        [ "$now" -gt "$peak" ] && peak=$now
        sleep 0.005
    done
    wait "$pid"
    seconds=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
    echo "$name: compiled in $seconds s, peak RssAnon $((peak / 1024)) MB, $(stat -c %s "$work/libm.so") bytes of library"
    "$lathe" bench "$work/libm.so" --case "$work/case/test_data_set_0" --seconds 0 --json >"$work/bench"
    awk -F'[:,}]' '{ for (i = 1; i < NF; i += 2) { gsub(/[^a-z_0-9]/, "", $i); v[$i] = $(i + 1) }
        planned = v["arena"] + v["scratch"]
        ratio = v["lower_bound"] > 0 ? planned / v["lower_bound"] : 1
        printf "  weights %.0f bytes, planned %.0f, bound %.0f, ratio %.3f, median %.1f ms\n", v["weights"], planned, v["lower_bound"], ratio, v["median_ms"]
        exit ratio > 1.25 }' "$work/bench" || miss "planned memory is more than 1.25 x its lower bound"
    [ "$name" != bert_base ] || [ "$peak" -le 307200 ] || miss "more than 300 MB"
    [ "$name" != bert_base ] || [ "${seconds%.*}" -lt 15 ] || miss "15 s or more"
    [ "$peak" -le 1536000 ] || miss "more than 1500 MB"
    rm -rf "$work/case" "$work/libm.so" "$work/m.h" "$work/m.weights"
done
exit $status
