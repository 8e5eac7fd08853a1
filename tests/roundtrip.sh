#!/bin/sh
# Every model that imports: its text parses back to the same text, as imported and after each pass.
# A model that does not import is counted, not failed: the models stage judges those.
set -u
passes="canonicalize fold cse dce decompose"
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
    for pass in $passes; do
        "$LATHE" opt "$WORK/a.ir" --passes "$pass" -o "$WORK/c.ir" && mv "$WORK/c.ir" "$WORK/a.ir" && check || good=no
        [ $good = yes ] || { echo "$name: after $pass"; break; }
    done
    if [ $good = yes ]; then ok=$((ok + 1)); else bad=$((bad + 1)); echo "FAIL $name"; fi
done
echo "$ok passed, $bad failed, $refused refused at import"
[ $bad = 0 ] && [ $ok -gt 0 ]
