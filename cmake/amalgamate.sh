#!/bin/sh
# amalgamate.sh OUT SOURCE...: the runtime as one C file that needs lathe_rt.h alone. Run in the root
# of the sources. A file-scope name that several sources use gets its file's name in front.
set -eu
out=$1
shift
headers="runtime/abi.h runtime/rt.h runtime/ops.h runtime/strings.h runtime/hash.h runtime/state.h"

# "NAME FILE" for each static function, variable and type of a file.
names() {
    for f in "$@"; do
        awk -v file="$(basename "$f" .c)" '/^(static |} )/ && match($0, /[a-z_0-9]+(\(|\[| = |;)/) {
            name = substr($0, RSTART, RLENGTH); gsub(/[^a-z_0-9]/, "", name); print name, file }' "$f" | sort -u
    done
}
clashes=$(names "$@" | sort | awk '$1 == last { print was; print; } { last = $1; was = $0 }' | sort -u)

# The text without what stands in this file already; tables are put in where they are included.
body() {
    awk -F'"' '/^#include ".*\.def"/ { while ((getline line < $2) > 0) print line; close($2); next }
         /^#include "(runtime\/|lathe_rt.h)/ { next }
         { print }' "$1"
}

{
    printf '/* The runtime of compiled models as one file: compile it with any C11 compiler, beside lathe_rt.h,\n'
    printf ' * and link it (with -pthread -ldl -lm) to models that were compiled with --emit obj or a.\n'
    printf ' * Generated from runtime/ of lathe. */\n'
    printf '#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif\n#include "lathe_rt.h"\n\n'
    for f in $headers; do body "$f"; done
    for f in "$@"; do
        stem=$(basename "$f" .c)
        mine=$(echo "$clashes" | awk -v file="$stem" '$2 == file { print $1 }')
        printf '\n/* ======== %s ======== */\n' "$(basename "$f")"
        for n in $mine; do printf '#define %s %s_%s\n' "$n" "$stem" "$n"; done
        body "$f"
        for n in $mine; do printf '#undef %s\n' "$n"; done
    done
} >"$out.new"
mv "$out.new" "$out"
