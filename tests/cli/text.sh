#!/bin/sh
# Graphs as text that are refused: a line of a region over x[n, 4] and y[4], and what is wrong with it. LATHE is the command.
set -u
failed=0
refused() { # STATUS TEXT: of $WORK/text.ir
    got=0
    "$LATHE" opt "$WORK/text.ir" --passes= >"$WORK/out" 2>&1 || got=$?
    [ "$got" = 2 ] && grep -qF -- "$1" "$WORK/out" && return
    failed=1
    echo "status $got, expected 2 and '$1'; of:"
    cat "$WORK/text.ir" "$WORK/out"
}
line() { # LINE TEXT
    printf 'graph "g"\nsymbol n: input [1, 9]\nregion(%%x: f32[n, 4] "x", %%y: f32[4] "y") {\n  %s\n  return %%a "a"\n}\n' "$1" >"$WORK/text.ir"
    refused "$2"
}
symbol() { # LINE TEXT
    printf 'graph "g"\nsymbol n: input [1, 9]\n%s\nregion(%%x: f32[n, 4] "x") {\n  return %%x "a"\n}\n' "$1" >"$WORK/text.ir"
    refused "$2"
}
symbol 'symbol 7: input [1, 9]' "expected a symbol's name"
symbol 'symbol n: input [1, 9]' 'symbol declared twice'
symbol 'symbol m: input [9, 1]' 'this interval is empty or holds negative sizes'
map() { line "%a: f32[n, 4] = map(%x) space=[n, 4] body=[$1]" "$2"; }
constant() { line "%a: $1 = const() data=$2" "$3"; }
map 'nosuch($0[i0, i1])' "unknown operator 'nosuch'"
map 'i99' 'axis 99; a space has at most'
map 'other' "unknown name 'other'"
map 'add($0[i0, i1])' "'add' takes 2 operands"
map '$0[i0]' '1 indices for an operand of rank 2'
map '$1[i0, i1]' '$1: the node has no such operand'
map 'neg(=)' 'expected an expression'
map '$0[i0, i1], $0[i0, i1]' '2 expressions in the body, 1 needed'
map 'dim(nosuch(n, 2))' "unknown function of sizes 'nosuch'"
map 'dim(floordiv(n, 0))' 'this size overflows or divides by zero'
line '%a: f32[n, 4] = map(%x) space=[n, 4] space=[n, 4] body=[$0[i0, i1]]' 'attribute given twice'
line '%a: f32[n, 4] = map(x) space=[n, 4] body=[$0[i0, i1]]' 'expected a value'
constant 'f32[1]' '[nan(x)]' 'expected the bits of a NaN'
constant 'f32[1]' '[1, 2]' "more elements than the type's 1"
constant 'f32[1]' 'hex("0")' 'expected pairs of hexadecimal digits'
constant 'f32[1]' 'hex("0000803F")' 'expected lower-case hexadecimal digits'
constant 'f32[1]' 'hex("00")' '1 bytes; the type takes 4'
constant 'f32[1]' 'words' 'expected elements, hex(...) or blob(...)'
constant 'f32[1]' 'blob("data.bin", -1, 4, 0x0)' 'negative offset or length'
constant 'f32[1]' 'blob(data, 0, 4, 0x0)' 'expected a quoted string'
constant 'u8[999]' '[1]' 'elements are listed for a constant of at most'
reduce() { line "%a: f32[n] = reduce(%x) space=[n, 4] $1" "$2"; }
reduce 'nred=3 kind="sum" body=[$0[i0, i1]]' '3 reduced axes'
line '%a: f32[n] = arg_reduce(%x) space=[n, 4] nred=2 kind="max" last=1 body=[$0[i0, i1]]' 'one axis must be reduced'
line '%a: f32[n, 4] = view(%x) space=[n, 4] body=[neg($0[i0, i1])]' 'the body must be a load'
line 'guard(%x) body=[$0[i0, i1]] kind="g"' 'the condition is no bool'
exit $failed
