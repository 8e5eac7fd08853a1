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
expect 1 "--level takes 0 or 2, not 'fast'" compile -Ofast model.onnx
expect 1 "option '--jobs' takes a number from 0 to 2147483647, not 'x'" test --jobs x .
expect 1 "'compile' needs MODEL.onnx" compile
expect 1 "'compile' takes MODEL.onnx: 'b.onnx' is too many; see 'lathe compile --help'" compile a.onnx b.onnx
expect 1 "'compare' takes MODEL.onnx [CASE]: 'c' is too many" compare a.onnx b c
expect 1 "'ops' takes options alone: 'x' is too many" ops x
expect 1 "'opt' needs FILE.ir or --list-passes; see 'lathe opt --help'" opt
expect 1 "--level takes 0 or 2, not '7'" compile -O7 a.onnx
expect 1 "no precision is called 'w5'" compile --precision w5 a.onnx
expect 1 "no pass is called 'fuse'" opt --passes cse,fuse a.ir
expect 1 "unknown target 'foo'" test -t foo examples/adder
expect 1 "'1x' cannot be the prefix of names in C" compile --name 1x a.onnx
expect 1 "libraries are not written to standard output" compile -o - a.onnx
expect 1 "--dim takes NAME=N" compile model.onnx --dim batch
expect 1 "--dim batch: 'x' is not a size, nor 'each'" compile model.onnx --dim batch=x
for custom in com.example:Snake Snake=f :=f com.example:=f com.example:Snake= com.example:Snake=f: com.example:Snake=f:0,; do
    expect 1 "--custom takes DOMAIN:OP=FUNCTION[:INPUT,...], not '$custom'" compile model.onnx "--custom=$custom"
done
for items in x x= =2 x=-1 x=2: x=2:a x=2:1:1; do
    expect 1 "--items takes NAME=N or NAME=N:RANK, not '$items'" compile model.onnx "--items=$items"
done
for set in x x= =2 x=y x=1y; do expect 1 "--set takes NAME=VALUE, not '$set'" compile model.onnx "--set=$set"; done
expect 1 "--emit takes so, obj, a, ir, llvm, asm or program, not 'exe'" compile model.onnx --emit exe
expect 1 "--weights takes file or embed, not 'here'" compile model.onnx --weights here
expect 1 "--output-format takes npy or pb, not 'txt'" run model.onnx --output-format txt
expect 1 "--report takes text or json, not 'xml'" compile model.onnx --report=xml
expect 1 "'compare' needs MODEL.onnx CASE; see 'lathe compare --help'" compare model.onnx
expect 1 "generate takes man, bash, zsh or fish, not 'html'" generate html
expect 2 "missing.onnx" compile "$WORK/missing.onnx"
expect 2 "missing.onnx" check "$WORK/missing.onnx"
expect 2 "cannot be read" test "$WORK/missing"
expect 0 "usage: lathe COMMAND" help
expect 1 "unknown command 'compil'" help compil
expect 0 "replace known contents" opt --list-passes
for command in compile check test run compare bench info inspect opt ops; do
    expect 0 "usage: lathe $command" help "$command"
    expect 0 "usage: lathe $command" "$command" --help
    [ "$(wc -l <"$WORK/out")" -le 30 ] || { echo "lathe $command --help: more than one screen"; exit 1; }
done

# ---- what is written is told as JSON, and texts go to standard output ----
model=examples/adder/model.onnx
"$LATHE" compile --json $model --name adder -o "$WORK/libadder.so" --depfile "$WORK/adder.d" >"$WORK/json"
bytes() { wc -c <"$WORK/$1"; }
printf '{"files": [{"path": "%s/libadder.so", "bytes": %d}, {"path": "%s/adder.h", "bytes": %d}, {"path": "%s/adder.weights", "bytes": %d}, {"path": "%s/adder.d", "bytes": %d}]}\n' \
    "$WORK" "$(bytes libadder.so)" "$WORK" "$(bytes adder.h)" "$WORK" "$(bytes adder.weights)" "$WORK" "$(bytes adder.d)" | cmp - "$WORK/json"
echo "$WORK/libadder.so $WORK/adder.h $WORK/adder.weights: $model" | cmp - "$WORK/adder.d"
"$LATHE" compile --emit program $model -o "$WORK/adder.program"
"$LATHE" compile --emit program $model -o - | cmp - "$WORK/adder.program"
"$LATHE" check --json $model >"$WORK/json"
echo '{"model": "examples/adder/model.onnx", "supported": true}' | cmp - "$WORK/json"
"$LATHE" test --json examples/adder >"$WORK/json"
printf '{"case": "examples/adder", "verdict": "passed", "reason": null}\n{"passed": 1, "failed": 0, "skipped": 0}\n' | cmp - "$WORK/json"
"$LATHE" run --json "$WORK/libadder.so" --case examples/adder/test_data_set_0 --output-dir "$WORK" >"$WORK/json"
grep -q '^{"path": "'"$WORK"'/output_0.npy", "output": "[a-z]*", "type": "f32", "dims": \[[0-9, ]*\]}$' "$WORK/json"

# ---- a failing pass leaves what was there ----
echo before >"$WORK/kept.ir"
echo "no graph" >"$WORK/bad.ir"
! "$LATHE" opt "$WORK/bad.ir" -o "$WORK/kept.ir" 2>/dev/null
[ "$(cat "$WORK/kept.ir")" = before ] && [ ! -e "$WORK/kept.ir.part" ]
