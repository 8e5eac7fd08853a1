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
says 1 "'1x' cannot be the prefix of names in C" compile $model --name 1x -o "$here/a.so"
says 4 "this is a folder, not a file's name" compile $model -o "$here/"
says 4 "nothing can be written here: No such file or directory" compile $model -o "$here/none/a.so"
says 4 "$here/none/x: cannot be written" opt tests/golden/numbers.ir --passes= -o "$here/none/x"
says 2 "--state: no input is called 'none'" compile $model -o "$here/a.so" --state none=logits

says 2 "--state 'cache': expected INPUT=OUTPUT, auto or off" compile $model -o "$here/a.so" --state cache
says 3 "output 'logits' cannot be its state: " compile $model -o "$here/a.so" --state input_ids=logits
says 1 "option '--threads' needs a value: " run $model --threads

# ---- values that are made up ----
says 2 "input 'input_ids' is not given and its size 'batch' is free: --dim gives a size, --input or --case the tensor" bench $model
says 3 "input 'words' has elements of type string, of which none are made; give it with --input" bench tests/cases/label_encoder/model.onnx --dim n=2

# ---- the tools that a library needs ----
tool() { # NAME TEXT: the only ld.lld-19 there is
    mkdir -p "$here/$1"
    printf "$2" >"$here/$1/ld.lld-19"
    chmod +x "$here/$1/ld.lld-19"
}
with() { # PATH STATUS TEXT
    where=$1 code=$2 got=0
    PATH=$where "$LATHE" compile $model -o "$here/tools.so" >"$here/out" 2>&1 || got=$?
    [ "$got" = "$code" ] && grep -qF -- "$3" "$here/out" && return
    failed=1
    echo "PATH=$where: status $got, expected $code and '$3'; found:"
    cat "$here/out"
}
mkdir -p "$here/nothing"
with "$here/nothing" 5 "no linker or archiver for this target: there is no "
with "$here/nothing" 5 "install lld or binutils, for another architecture its cross binutils"
tool killed '#!/bin/sh\nkill -9 $$\n'
with "$here/killed" 5 "ld.lld-19 was ended by signal 9"
tool nonsense '\177ELF nothing'
with "$here/nonsense" 5 "ld.lld-19 cannot be started: Exec format error"
mkdir -p "$here/alone"
cp "$LATHE" "$here/alone/lathe"
said=$("$here/alone/lathe" compile $model -o "$here/a.so" 2>&1)
case $said in
*"the runtime archive for "*" (liblathe_rt.a) was not found"*) ;;
*) failed=1 && echo "no runtime archive; found: $said" ;;
esac

says 3 "output 'y0' is declared with a size 'm' that no input has; say which input it is like (--custom DOMAIN:OP=FUNCTION:INPUT)" \
    check tests/refused/custom_size.onnx --custom com.example:Wave=wave

# ---- a full disk ----
full() { # TEXT ARGUMENTS...
    text=$1 got=0
    shift
    "$LATHE" "$@" >/dev/full 2>"$here/out" || got=$?
    [ "$got" = 4 ] && grep -qF -- "$text" "$here/out" && return
    failed=1
    echo "lathe $* >/dev/full: status $got, expected 4 and '$text'; found:"
    cat "$here/out"
}
full "cannot write" generate man

# ---- models ----
says 2 "cannot open the model: No such file or directory" check "$here/none.onnx"
says 2 "'$here' is not a regular file" check "$here"

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
printf '\010\001\020\010\060\001' >"$here/no_text.pb" # a number where a string's text is
input "its strings have no text" no_text.pb
printf '\010\001\020\010\062\001a\062\001b' >"$here/strings.pb"
input "2 strings, dims say 1" strings.pb

# ---- cases ----
case_of() { # NAME: a copy of a small case
    rm -rf "$here/$1"
    cp -r tests/cases/ones_add "$here/$1"
}
tests_say() { says "$1" "$2" test "$here/$3"; }
case_of no_outputs
rm "$here"/no_outputs/test_data_set_0/output_*
tests_say 2 "data set 0: there are no expected outputs" no_outputs
case_of surplus
cp "$here/surplus/test_data_set_0/output_0.pb" "$here/surplus/test_data_set_0/output_1.pb"
tests_say 2 "output 1 is missing" surplus
case_of refused
cp tests/refused/axis_outside.onnx "$here/refused/model.onnx"
tests_say 2 "compile: " refused
cp tests/refused/two_errors.onnx "$here/refused/model.onnx"
tests_say 2 " (and 1 more)" refused
case_of damaged
printf '\012\377' >"$here/damaged/test_data_set_0/output_0.pb"
tests_say 2 "data set 0: $here/damaged/test_data_set_0/output_0.pb: not a TensorProto" damaged
case_of other
cp "$here/other/test_data_set_0/input_0.pb" "$here/other/test_data_set_0/output_0.pb"
tests_say 2 "data set 0: output 0 '" other
rm -rf "$here/surplus"
cp -r tests/cases/attributes_strings "$here/surplus"
rm "$here/surplus/test_data_set_0/output_1.pb"
tests_say 2 "data set 0: output 1 was not expected" surplus
# ---- a program in the runner's place ----
case_of run
runner() { # NAME SCRIPT TEXT
    printf '#!/bin/sh\n%s\n' "$2" >"$here/$1"
    chmod +x "$here/$1"
    says 2 "$3" test "$here/run" --runner "$here/$1" --timeout 2
}
runner slow 'sleep 9' "run: more than 2 s"
runner killed_run 'kill -9 $$' "run: ended by signal 9 ("
runner wrong 'echo error: a fire; exit 2' "run: error: a fire"
says 2 "run: cannot start $here/none" test "$here/run" --runner "$here/none"
exit $failed
