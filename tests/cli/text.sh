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
map 'i99' 'axis 99; a space has at most 20'
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
reduce 'nred=3 kind="sum" body=[$0[i0, i1]]' '3 reduced axes, expected 0 to 2'
line '%a: f32[n] = arg_reduce(%x) space=[n, 4] nred=2 kind="max" last=1 body=[$0[i0, i1]]' 'one axis must be reduced'
line '%a: f32[n, 4] = view(%x) space=[n, 4] body=[neg($0[i0, i1])]' 'the body must be a load'
line 'guard(%x) body=[$0[i0, i1]] kind="g"' 'the condition is f32, expected bool'
# ---- nodes that are not what their operator takes ----
twice='region() {
      return
    }'
line "%a: f32[n, 4] = map(%x) space=[n, 4] body=[\$0[i0, i1]]
    $twice" '1 regions, expected 0'
line '%a: f32[n, 4] = softmax(_) axis=1 log=0' 'operand 0 is absent'
line '%a: f32[n, 4] = map(%x) space=[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] body=[1.0]' 'axes, expected at most'
line '%a: f32[n, 4] = row(%x) space=[n, 4] nred=0 kind="max" body=[$0[i0, i1], acc0]' 'a row needs an axis (nred=1 or more)'
line '%a: f32[n, 4] = map(%x) space=[n, 4] body=[$0[i0, i1]] epilogue=[acc0]' 'an epilogue, which map does not have'
reduce 'nred=1 kind="sum" body=[$0[i0, i1]] epilogue=[acc0, acc0]' '2 expressions in the epilogue, 1 needed'
line '%a: f32[n, 4] = scatter(%x) space=[n, 4] kind="max" body=[2.5, 1.0, i1]' 'index 0 of the body is f32, expected i64'
line '%a: i64[n] = values() dims=[n] body=[1]' 'size 0 of dims is no constant, or they are too many'
line '%a: i64[2] = values() dims=[2] body=[1]' '1 elements, the dims say 2'
line '%a: i64[2] = values() dims=[2] body=[1, 2.5]' 'element 1 is f32, element 0 i64'
line '%c: i64[1] = values() dims=[1] body=[1]
  %a: i64[1] = softmax(%c) axis=0 log=0' 'operand 0 is of i64, expected floats'
line '%a: f32[n, 4] = softmax(%x) axis=2 log=0' 'axis 2, expected 0 to 1'
line '%a: f32[2, n, 4] = concat(%x, %x) axis=0 capacity=[8, 8]' '2 capacities, expected one'
line '%a: f32[n, 4] = map(%x) space=[n, 4] body=[$0[i0, i1]:f64]' "expected"
conv() { # OPERANDS ATTRIBUTES TEXT
    line "%i: f32[1, 4, 8, 8] = map() space=[1, 4, 8, 8] body=[1.0]
  %w: f32[4, 4, 2, 2] = map() space=[4, 4, 2, 2] body=[1.0]
  %d: f64[4, 4, 2, 2] = map() space=[4, 4, 2, 2] body=[1.0:f64]
  %p: bool[1, 4, 8, 8] = map() space=[1, 4, 8, 8] body=[le(1.0, 2.0)]
  %a: f32[1, 4, 7, 7] = $1 $2" "$3"
}
window='kernel=[2, 2] strides=[1, 1] pads=[0, 0, 0, 0] dilations=[1, 1]'
conv 'conv(%i, %w)' "dims=[1, 4, 7] $window group=1" '3 dims for an operand of rank 4, expected as many and 2 or more'
conv 'conv(%i, %w)' 'dims=[1, 4, 7, 7] kernel=[2] strides=[1, 1] pads=[0, 0] dilations=[1, 1] group=1' 'kernel, strides and dilations have 1, 2 and 2 entries and pads 2, expected 2 and twice that'
conv 'conv(%i, %w)' 'dims=[1, 4, 7, 7] kernel=[2, 2] strides=[0, 1] pads=[0, 0, 0, 0] dilations=[1, 1] group=1' 'a stride or dilation is less than 1'
conv 'conv(%i, %y)' "dims=[1, 4, 7, 7] $window group=1" 'operand 1 has rank 1, expected 4'
conv 'conv(%i, %d)' "dims=[1, 4, 7, 7] $window group=1" 'operand 1 is of f64, operand 0 of f32'
conv 'pool(%p)' "dims=[1, 4, 7, 7] $window kind=\"max\" include_pad=0" 'operand 0 is of bool, expected numbers'
conv 'conv(%i, %w)' "dims=[1, 4, 7, 7] $window group=0" 'group is 0, expected 1 or more'

# ---- expressions and numbers ----
map '2.5:i64' 'this is no number of type i64'
map 'nan(0)' 'these bits are no NaN'
constant 'string[1]' '[1]' 'elements are listed for a constant of at most 64 numbers'
reduce 'nred=1 kind="sum" body=[$0[i0, i1]] epilogue=[cast(acc0:f16, f32)]' 'nothing is computed in f16'
map '-9300000000000000000' 'integer out of range'
line '%a: f32[n, 4] = softmax(%x) axis=2.5 log=0' 'expected an integer'
line '%a: f32[n, 4] = softmax(%x) axis=18446744073709551615 log=0' 'integer out of range'
deep='t0 = $0[i0, i1]; '
for i in 1 2 3 4 5 6 7 8 9 10; do # each 120 higher
    deep="${deep}t$i = $(printf 'neg(%.0s' $(seq 120))t$((i - 1))$(printf ')%.0s' $(seq 120)); "
done
map "${deep}t10" 'expression nested too deeply'
guard() { # LINE TEXT
    printf 'graph "g"\nsymbol n: input [1, 9]\nregion(%%x: f32[n, 4] "x") {\n  return %%x "a"\n}\n%s\n' "$1" >"$WORK/text.ir"
    refused "$2"
}
guard 'guard n = 4 or 2' "expected 'or 1'"
guard 'state -1 = 0' 'expected the numbers of an input, an output and an axis'
exit $failed
