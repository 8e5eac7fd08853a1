#!/bin/sh
# Golden tests: tests/golden.sh LATHE [--bless]
#
# Each tests/golden/NAME.ir holds a graph, lines '// RUN: opt ARGUMENTS' above it, and below a line
# '// EXPECT' what 'lathe opt input.ir ARGUMENTS' prints, its messages and, if it fails, its exit
# code. Several RUN lines run one after another, each on what the one before printed. The line
# '// RUN: program ARGUMENTS' stands for 'lathe compile input.ir --emit program ARGUMENTS' and what
# that writes. --bless replaces the expected text by the real one. The bytes that graphs refer to
# are tests/golden/*.bin.
set -u
[ $# -ge 1 ] || { echo "usage: tests/golden.sh LATHE [--bless]" >&2; exit 1; }
lathe=$(realpath "$1") || exit 1
bless=${2-}
cd "$(dirname "$0")/golden" || exit 1
golden=$PWD
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cp ./*.bin "$work"/ 2>/dev/null
cd "$work" || exit 1
passed=0 failed=0
run() { # COMMAND ARGUMENTS...
    if [ "$1" = opt ]; then
        shift
        "$lathe" opt input.ir "$@"
    else
        shift
        "$lathe" compile input.ir --quiet --emit program -o lowered "$@" && cat lowered
    fi
}
for file in "$golden"/*.ir; do
    name=$(basename "$file" .ir)
    sed '/^\/\/ EXPECT$/q' "$file" >head
    sed '1,/^\/\/ EXPECT$/d' "$file" >expected
    sed '/^\/\/ EXPECT$/d' head >input.ir
    grep -E '^// RUN: (opt|program)' head | sed 's|^// RUN: ||' >runs
    [ -s runs ] || { echo "FAIL $name: no '// RUN:' line"; failed=$((failed + 1)); continue; }
    while read -r arguments; do
        code=0
        # shellcheck disable=SC2086
        run $arguments >got 2>&1 || code=$?
        [ $code = 0 ] || { echo "exit code $code" >>got; break; }
        cp got input.ir
    done <runs
    if cmp -s expected got; then
        passed=$((passed + 1))
    elif [ "$bless" = --bless ]; then
        cat head got >"$file"
        echo "blessed $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        diff expected got
    fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
