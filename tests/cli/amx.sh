#!/bin/sh
# Products of codes on a unit of tiles: the instructions that come out, and, as no machine here need
# have the unit, answers from its emulation, which has the same addresses, edges and order.
set -eu
dir="$WORK/amx"
mkdir -p "$dir"
model=tests/cases/integer_products/model.onnx
"$LATHE" compile -q $model --name m --target x86-64-v4+amx --emit asm -o "$dir/m.s"

# One line a function: instructions of tiles in it, and the largest register.
awk '
    /^[a-z][^ ]*:/ { name = $1 }
    /tileloadd/ { loads[name]++ } /tilestored/ { stores[name]++ } /tdp[bsu]/ { dots[name]++; kinds[$1] = 1 }
    /ldtilecfg/ { begins[name]++ } /tilerelease/ { ends[name]++ } /sttilecfg/ { bad = bad " sttilecfg" }
    /%tmm([89]|1[0-9])/ { bad = bad " " $0 }
    /callq/ { calls[name]++ }
    END {
        for (f in dots) {
            n++
            if (stores[f] != 2 && stores[f] != 4) bad = bad " " f " stores " stores[f] " tiles"
            if (dots[f] != 2 * stores[f]) bad = bad " " f " has " dots[f] " products"
            if ((f in begins) || (f in calls)) bad = bad " " f " configures or calls"
        }
        for (f in begins) { kernels++; if (begins[f] != 1 || ends[f] != 1) bad = bad " " f " configures more than once" }
        for (f in stores) if (!dots[f]) bad = bad " " f " stores tiles only"
        if (!n || !kernels || bad) { print "tiles: " n ", kernels: " kernels ";" substr(bad, 1, 400); exit 1 }
        for (k in kinds) print k
    }' "$dir/m.s" | sort >"$dir/kinds"
grep -q '^tdpbusd$' "$dir/kinds" || { cat "$dir/kinds"; exit 1; }

# Floats are narrowed only where that was asked for.
for precision in f32 bf16 f32x3; do
    "$LATHE" compile -q examples/digits/model.onnx --name d --precision $precision --target x86-64-v4+amx --emit asm -o "$dir/d.s"
    n=$(grep -c 'tdpbf16ps' "$dir/d.s" || true)
    case $precision in f32) [ "$n" = 0 ] ;; *) [ "$n" -gt 0 ] ;; esac || { echo "$precision: $n"; exit 1; }
done

# What is asked for by name alone is in no list.
if "$LATHE" compile $model --target x 2>&1 | grep emulated; then exit 1; fi

grep -qw avx512_vnni /proc/cpuinfo 2>/dev/null || exit 0
"$LATHE" test --guard --target x86-64-v4+amx-emulated tests/cases/integer_products \
    tests/cases/ms_integer_products tests/cases/quantised_conv tests/cases/quantised_static \
    tests/cases/quantised_dynamic tests/cases/ms_qgemm tests/cases/ms_qlinear
# Three products of bf16 are close enough to floats for what floats are tested with.
"$LATHE" test --guard --target x86-64-v4+amx-emulated --precision f32x3 examples/digits
