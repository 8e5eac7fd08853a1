#!/bin/sh
# Installs the build that $LATHE belongs to into $WORK/prefix, for readme.sh; the runtime can be built
# from its one source, and pkg-config finds both libraries.
set -eu
prefix="$WORK/prefix"
cmake --install "$(dirname "$LATHE")" --prefix "$prefix" >/dev/null
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
mkdir -p "$WORK/runtime"
cd "$WORK/runtime"
pkg-config --exists lathe lathe-rt
printf '#include <lathe.h>\n#include <stdio.h>\nint main(void) { return !puts(lathe_version()); }\n' >version.c
# shellcheck disable=SC2046
cc version.c $(pkg-config --cflags --libs lathe) -o version
LD_LIBRARY_PATH="$prefix/lib" ./version
readelf -d version | grep -q 'Shared library: \[liblathe\.so\.1\]'
# shellcheck disable=SC2046
cc version.c $(pkg-config --cflags lathe) "$prefix/lib/liblathe.a" $(pkg-config --static --libs-only-L --libs-only-l lathe) -o version
./version
