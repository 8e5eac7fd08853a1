#!/bin/sh
# Usage errors: exit code 1 and a message on stderr; --help on one screen.
set -eu
expect() {
    code=$1 text=$2
    shift 2
    got=0
    "$LATHE" "$@" >"$WORK/out" 2>"$WORK/err" || got=$?
    [ "$got" = "$code" ] || { echo "lathe $*: exit code $got, expected $code"; cat "$WORK/err"; exit 1; }
    cat "$WORK/out" "$WORK/err" | grep -qF -- "$text" || { echo "lathe $*: no '$text' in:"; cat "$WORK/out" "$WORK/err"; exit 1; }
}
expect 1 "usage: lathe COMMAND"
expect 0 "usage: lathe COMMAND" --help
expect 0 "LLVM 19" --version
expect 1 "unknown command 'compil'" compil
expect 1 "unknown option '--nmae'; hint: did you mean '--name'?" compile --nmae x model.onnx
expect 1 "option '--name' needs a value" compile model.onnx --name
expect 1 "option '--level' takes a number from 0 to 2147483647, not 'fast'" compile -Ofast model.onnx
expect 1 "'compile' needs MODEL.onnx" compile
expect 1 "--dim takes NAME=N" compile model.onnx --dim batch
expect 1 "--dim batch: 'x' is not a size, nor 'each'" compile model.onnx --dim batch=x
for custom in com.example:Snake Snake=f :=f com.example:=f com.example:Snake= com.example:Snake=f: com.example:Snake=f:0,; do
    expect 1 "--custom takes DOMAIN:OP=FUNCTION[:INPUT,...], not '$custom'" compile model.onnx "--custom=$custom"
done
for items in x x= =2 x=-1 x=2: x=2:a x=2:1:1; do
    expect 1 "--items takes NAME=N or NAME=N:RANK, not '$items'" compile model.onnx "--items=$items"
done
expect 1 "--emit takes so, obj, a, ir, llvm, asm or program, not 'exe'" compile model.onnx --emit exe
expect 1 "--weights takes file or embed, not 'here'" compile model.onnx --weights here
expect 1 "--output-format takes npy or pb, not 'txt'" run model.onnx --output-format txt
expect 1 "--report takes text or json, not 'xml'" compile model.onnx --report=xml
expect 1 "'compare' needs MODEL.onnx CASE; see 'lathe compare --help'" compare model.onnx
expect 1 "generate takes man, bash, zsh or fish, not 'html'" generate html
expect 2 "missing.onnx" compile "$WORK/missing.onnx"
expect 2 "missing.onnx" check "$WORK/missing.onnx"
expect 2 "cannot be read" test "$WORK/missing"
for command in compile check test run compare bench opt ops; do
    expect 0 "usage: lathe $command" "$command" --help
    [ "$(wc -l <"$WORK/out")" -le 30 ] || { echo "lathe $command --help: more than one screen"; exit 1; }
done
