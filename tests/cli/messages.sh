#!/bin/sh
# What the command says of files, options and cases that do not fit. LATHE is the command.
set -u
cd "$(dirname "$0")/../.." || exit 1
model=examples/adder/model.onnx here=$WORK/messages failed=0
mkdir -p "$here"
says() { # STATUS TEXT ARGUMENTS...
    code=$1 text=$2 got=0
    shift 2
    timeout 100 "$LATHE" "$@" >"$here/out" 2>&1 </dev/null || got=$?
    [ "$got" = "$code" ] && grep -qF -- "$text" "$here/out" && return
    failed=1
    echo "lathe $*: status $got, expected $code and '$text'; found:"
    cat "$here/out"
}

# ---- options ----
says 1 "option '--json' takes no value" check --json=1 $model
says 1 "--dim takes NAME=N, not '=3'" check $model --dim==3
says 1 "--require takes i8, not 'f16'" compile $model -o "$here/a.so" --require f16
says 2 "'1x' cannot be the prefix of names in C" compile $model --name 1x -o "$here/a.so"
says 4 "this is a folder, not a file's name" compile $model -o "$here/"
says 4 "nothing can be written here" compile $model -o "$here/none/a.so"
says 4 "cannot write $here/none/x" opt tests/golden/numbers.ir --passes= -o "$here/none/x"
says 2 "--state: no input is called 'none'" compile $model -o "$here/a.so" --state none=logits

# ---- models ----
says 2 "cannot open the model: No such file or directory" check "$here/none.onnx"
says 2 "is not a regular file" check "$here"

# ---- inputs of a run ----
says 2 "input 'input_ids' was not given; see --input and --case" run $model
npy() { # FILE HEADER DATA
    printf '\223NUMPY\001\000\166\000%-117s\n' "$2" >"$here/$1"
    printf "$3" >>"$here/$1"
}
input() { says "${3:-2}" "$1" run $model -i "input_ids=$here/$2"; }
npy order.npy "{'descr': '<i8', 'fortran_order': True, 'shape': (1, 1), }" '\1\0\0\0\0\0\0\0'
input "the array is in Fortran order, only C order is read" order.npy 3
npy type.npy "{'descr': '<M8', 'fortran_order': False, 'shape': (1, 1), }" '\1\0\0\0\0\0\0\0'
input "element type '<M8' is not read" type.npy 3
npy short.npy "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2), }" '\1\0\0\0\0\0\0\0'
input "8 bytes of data do not match the shape" short.npy
npy header.npy "nothing" '\1'
input "not an npy header" header.npy
printf 'nothing of this kind' >"$here/other.npy"
input "not an npy file" other.npy
printf '\223NUMPY\001\000\377\377{    ' >"$here/cut.npy"
input "the header is cut off" cut.npy
printf '\010\001\020\007\112\001a' >"$here/raw.pb" # dims 1, i64, one byte of raw data
input "1 bytes of raw data, dims say 8" raw.pb
printf '\010\001\020\007\072\002\001\002' >"$here/numbers.pb" # two numbers
input "2 numbers, dims say 1" numbers.pb
printf '\010\377\377\377\377\377\377\377\377\377\001\020\007' >"$here/negative.pb"
input "dim 0 is negative" negative.pb
printf '\010\200\200\200\200\200\200\200\200\100\010\004\020\007' >"$here/overflow.pb"
input "dims whose product overflows" overflow.pb
printf '\010\001\020\007\160\001' >"$here/elsewhere.pb"
input "its data is in another file, which is not read" elsewhere.pb 3
printf '\017' >"$here/field.pb"
input "not a TensorProto" field.pb

# ---- cases ----
case_of() { # NAME: a copy of a small case
    rm -rf "$here/$1"
    cp -r tests/cases/ones_add "$here/$1"
}
tests_say() { says "$1" "$2" test "$here/$3"; }
case_of no_outputs
rm "$here"/no_outputs/test_data_set_0/output_*
tests_say 2 "there are no expected outputs" no_outputs
case_of surplus
cp "$here/surplus/test_data_set_0/output_0.pb" "$here/surplus/test_data_set_0/output_1.pb"
tests_say 2 "output 1 is missing" surplus
case_of refused
cp tests/refused/axis_outside.onnx "$here/refused/model.onnx"
tests_say 2 "compile: " refused
exit $failed
