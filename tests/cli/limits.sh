#!/bin/sh
# Small files that ask for much work are compiled or refused, with one message, within 10 seconds of
# processor time and 500 MB; --limit-time and --limit-memory move that. LATHE is the command.
set -eu
cd "$(dirname "$0")/../limits"

# within CODE TEXT ARG..: the exit code, and the only line that it says; 500 MB and 10 seconds.
within() {
    code=$1 text=$2 got=0
    shift 2
    (
        ulimit -t 10
        [ -n "${SANITIZED:-}" ] || ulimit -v 1500000 # address space: LLVM's own libraries take 800 MB of it
        exec "$LATHE" "$@" -q >"$WORK/out" 2>"$WORK/err"
    ) || got=$?
    [ "$got" = "$code" ] && [ "$(cat "$WORK/err")" = "$text" ] && return
    echo "lathe $*: exit code $got, expected $code and '$text'; its messages:"
    head -n 20 "$WORK/err"
    exit 1
}
more_memory="is needed; hint: --limit-memory and lathe_options.memory_limit allow more"
more_time="error: more than 0.05 seconds of processor time are needed; hint: --limit-time and lathe_options.time_limit allow more"

for model in loops loops_twice branches; do within 0 "" compile $model.onnx --name m -o "$WORK/libm.so"; done
for model in functions functions_in_a_branch; do
    within 4 "error: more memory than the limit of 256 MB $more_memory" check $model.onnx
    within 4 "error: more memory than the limit of 40 MB $more_memory" check $model.onnx --limit-memory 40
    within 4 "$more_time" check $model.onnx --limit-time 0.05
done
within 4 "error: more memory than the limit of 0.5 MB $more_memory" compile loops.onnx --name m -o "$WORK/libm.so" --limit-memory 0.5
within 0 "" check loops.onnx --limit-memory 1e30 --limit-time 1e300
