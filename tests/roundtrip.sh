#!/bin/sh
# roundtrip.sh PASSES MODEL...: every model that imports prints and parses back to the same text, as
# imported and after each of the comma-separated passes, run one after another ("all": the pipeline).
# A model that does not import is counted, not failed: the models stage judges those.
set -u
passes=$1
shift
[ "$passes" = all ] && passes=$(sed -n 's/^PASS(\([a-z_]*\),.*/\1/p' passes/passes.def | tr '\n' ',')
ok=0 refused=0 bad=0
check() {
    "$LATHE" opt "$WORK/a.ir" -o "$WORK/b.ir" && cmp -s "$WORK/a.ir" "$WORK/b.ir"
}
for model in "$@"; do
    name=$(basename "$(dirname "$model")")
    if ! "$LATHE" compile "$model" --emit ir -o "$WORK/a.ir" 2>/dev/null; then
        refused=$((refused + 1))
        continue
    fi
    good=yes
    check || good=no
    for pass in $(echo "$passes" | tr ',' ' '); do
        "$LATHE" opt "$WORK/a.ir" --passes "$pass" -o "$WORK/c.ir" && mv "$WORK/c.ir" "$WORK/a.ir" && check || good=no
        [ $good = yes ] || { echo "$name: after $pass"; break; }
    done
    if [ $good = yes ]; then ok=$((ok + 1)); else bad=$((bad + 1)); echo "FAIL $name"; fi
done
echo "$ok passed, $bad failed, $refused refused at import"
[ $bad = 0 ] && [ $ok -gt 0 ]
