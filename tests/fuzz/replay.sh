#!/bin/sh
# Seeds and kept findings through every target once, without libFuzzer. FUZZ is the program of the build.
set -u
here=$(dirname "$0")
failed=0
"$here/seeds" "$WORK/seeds"
for folder in "$WORK"/seeds/*; do
    target=$(basename "$folder")
    # What is allowed for a file is ten seconds; a target takes its files in one process.
    find "$folder" -type f | LC_ALL=C sort | FUZZ_TARGET=$target timeout 300 xargs "$FUZZ" >"$WORK/replay" 2>&1 && continue
    failed=1
    echo "$target:"
    tail -n 5 "$WORK/replay"
done
exit $failed
