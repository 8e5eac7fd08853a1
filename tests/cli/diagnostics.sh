#!/bin/sh
# Messages: their text, their JSON, their colours, and the names that they suggest.
set -eu
model=examples/adder/model.onnx

# The output of a failing command is these lines, exactly.
says() {
    code=$1 text=$2 got=0
    shift 2
    "$LATHE" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || got=$?
    printf '%s\n' "$text" >"$WORK/want"
    [ "$got" = "$code" ] && cmp -s "$WORK/err" "$WORK/want" && return
    echo "lathe $*: exit code $got, expected $code; its messages:"
    diff "$WORK/want" "$WORK/err"
    exit 1
}

# ---- suggestions ----
says 1 "lathe: unknown command 'chekc'; see 'lathe --help'; hint: did you mean 'check'?" chekc
says 1 "lathe: unknown option '--nmae'; hint: did you mean '--name'?" compile --nmae x model.onnx
says 1 "lathe: unknown option '--zzzzz'" compile --zzzzz model.onnx
says 2 "error: $model: no input has a dim called 'seq'; hint: did you mean 'sequence'?" check $model --dim seq=8
says 2 "error: $model: no input has a dim called 'width'" check $model --dim width=8
says 1 "error: no pass is called 'fold_'; hint: did you mean 'fold'?
error: no pass is called 'dec'; hint: did you mean 'dce'?" compile $model --disable-pass fold_ --dump-after dec
says 1 "error: unknown target 'x86_64-v3'; the targets are x86-64, x86-64-v3, x86-64-v3+avxvnni, x86-64-v4, x86-64-v4+vnni, x86-64-v4+bf16, x86-64-v4+amx, aarch64, aarch64+dotprod, aarch64+i8mm, aarch64+bf16; hint: did you mean 'x86-64-v3'?" compile $model --target x86_64-v3
sed "/EXPECT/q" tests/golden/cse.ir >"$WORK/input.ir"
says 1 "error: no pass is called 'csee'; hint: did you mean 'cse'?" opt "$WORK/input.ir" --passes csee
says 2 "lathe: the model has no input 'inputs_id'; hint: did you mean 'input_ids'?" run $model --input inputs_id=x.npy
says 1 "lathe: --input takes NAME=FILE, not 'input_ids'" run $model --input input_ids

# ---- messages of a run, as text and as JSON ----
npy() {  # FILE, header, data as printf takes it: a NumPy file of version 1
    printf '\223NUMPY\001\000\166\000%-117s\n' "$2" >"$1"
    printf "$3" >>"$1"
}
one='\001\000\000\000\000\000\000\000' big='\143\000\000\000\000\000\000\000'
npy "$WORK/index.npy" "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2), }" "$one$big"
npy "$WORK/rank.npy" "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }" "$one"
says 2 "error: $model: node '/Add' (Add): index 99 is out of range for a size of 13" run $model -i "input_ids=$WORK/index.npy"
says 2 "{\"severity\": \"error\", \"status\": 12, \"file\": \"$model\", \"node\": \"/Add\", \"op\": \"Add\", \"version\": null, \"tensor\": null, \"message\": \"index 99 is out of range for a size of 13\", \"expected\": null, \"found\": null, \"hint\": null}" run --json $model -i "input_ids=$WORK/index.npy"
says 2 "error: $model: tensor 'input_ids': input 0: rank is 1, expected 2" run $model -i "input_ids=$WORK/rank.npy"
says 2 "{\"severity\": \"error\", \"status\": 11, \"file\": \"$model\", \"node\": null, \"op\": null, \"version\": null, \"tensor\": \"input_ids\", \"message\": \"input 0: rank is 1, expected 2\", \"expected\": \"2\", \"found\": \"1\", \"hint\": null}" run --json $model -i "input_ids=$WORK/rank.npy"
says 1 '{"severity": "error", "status": 10, "file": null, "node": null, "op": null, "version": null, "tensor": null, "message": "unknown option '"'--jsno'"'", "expected": null, "found": null, "hint": "did you mean '"'--json'"'?"}' check --jsno --json

# ---- any bytes in names: no control code reaches the terminal, JSON stays valid ----
odd=$(printf '\033[31m\001"\\\377\303\251\355\240\200.onnx')
cp $model "$WORK/$odd"
(cd "$WORK" && { "$LATHE" check "$odd" --dim x=1 2>text || true; "$LATHE" check --json "$odd" --dim x=1 2>json || true; })
printf 'error: \\x1b[31m\\x01"\\\\xff\303\251\\xed\\xa0\\x80.onnx: no input has a dim called '"'x'"'\n' >"$WORK/want"
cmp "$WORK/text" "$WORK/want"
grep -qF '"file": "\u001b[31m\u0001\"\\\ufffd'"$(printf '\303\251')"'\ufffd\ufffd\ufffd.onnx", ' "$WORK/json" || { cat "$WORK/json"; exit 1; }
if command -v python3 >/dev/null; then
    python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]' "$WORK/json"
else
    echo "skip: no python3 to read the JSON with"
fi

# A name cannot make lines of its own, nor hide one: line feed, C1, separators, changes of direction.
odd=$(printf 'a\nerror: b\302\205\342\200\256.onnx')
says 2 'error: a\x0aerror: b\xc2\x85\xe2\x80\xae.onnx: cannot open the model: No such file or directory' check "$odd"
says 1 "lathe: --dim n is given twice" check $model --dim n=1 --dim n=2

# ---- colours: on a terminal only, unless NO_COLOR or a dumb terminal forbids them ----
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    escape=$(printf '\033')
    coloured() { env "$@" script -qec "$LATHE check $model --dim seq=8" /dev/null </dev/null | grep -qF "$escape["; }
    coloured -u NO_COLOR TERM=xterm || { echo "no colours on a terminal"; exit 1; }
    coloured NO_COLOR= TERM=xterm || { echo "an empty NO_COLOR takes the colours away"; exit 1; }
    ! coloured NO_COLOR=1 TERM=xterm || { echo "colours although NO_COLOR is set"; exit 1; }
    ! coloured -u NO_COLOR TERM=dumb || { echo "colours on a dumb terminal"; exit 1; }
else
    echo "skip: script(1) makes no terminal here"
fi
! grep -qF "$(printf '\033')[" "$WORK/err" || { echo "colours in a file"; exit 1; }
