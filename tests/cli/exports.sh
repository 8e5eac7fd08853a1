#!/bin/sh
# Which names libraries have and export: the shared ones what their headers declare, as version
# LATHE_1; a model's library its descriptor alone.
set -eu
build=$(dirname "$LATHE")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

exports() { nm -D --defined-only "$1" | awk '{ print $3 }' | sort; }
soname() { readelf -d "$1" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'; }
same() {
    [ "$2" = "$3" ] && return
    printf '%s: expected\n%s\nfound\n%s\n' "$1" "$2" "$3"
    exit 1
}

"$LATHE" compile --quiet examples/digits/model.onnx --name digits --weights embed -o "$work/libdigits.so"
same "exports of libdigits.so" digits_desc "$(exports "$work/libdigits.so")"
same "name of libdigits.so" libdigits.so "$(soname "$work/libdigits.so")"

# The sanitized builds have no shared libraries.
[ -f "$build/liblathe.so.1" ] || exit 0
declared=$(sed 's|/\*.*||' include/lathe.h include/lathe_experimental.h | grep -oE '\blathe_[a-z_]+\(' | sed 's/($/@@LATHE_1/' | sort)
same "exports of liblathe.so" "$declared" "$(exports "$build/liblathe.so.1" | grep @@)"
same "unversioned exports of liblathe.so" LATHE_1 "$(exports "$build/liblathe.so.1" | grep -v @@)"
same "name of liblathe.so" liblathe.so.1 "$(soname "$build/liblathe.so")"
same "other exports of liblathe_rt.so" LATHE_1 "$(exports "$build/liblathe_rt.so.1" | grep -v '^lathe_rt_.*@@LATHE_1$')"
exports "$build/liblathe_rt.so.1" | grep -qx 'lathe_rt_api_v1@@LATHE_1'
same "name of liblathe_rt.so" liblathe_rt.so.1 "$(soname "$build/liblathe_rt.so")"
