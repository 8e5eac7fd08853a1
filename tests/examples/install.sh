#!/bin/sh
# Installs the build that $LATHE belongs to into $WORK/prefix, for readme.sh; the runtime can be built
# from its installed sources, and pkg-config finds both libraries.
set -eu
prefix="$WORK/prefix"
cmake --install "$(dirname "$LATHE")" --prefix "$prefix" >/dev/null
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
mkdir -p "$WORK/runtime"
cd "$WORK/runtime"
cc -std=c11 -D_GNU_SOURCE -O1 -Wall -Werror -I"$prefix/share/lathe" -I"$prefix/include" \
    -c "$prefix"/share/lathe/runtime/*.c
pkg-config --exists lathe lathe-rt
printf '#include <lathe.h>\n#include <stdio.h>\nint main(void) { return !puts(lathe_version()); }\n' >version.c
# shellcheck disable=SC2046
cc version.c $(pkg-config --cflags --libs lathe) -o version
./version
