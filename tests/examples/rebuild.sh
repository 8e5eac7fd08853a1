#!/bin/sh
# lathe_add_model compiles a model again when its file or its external data changes, and only then;
# it chooses the target of a cross build and refuses a precision that the compiler has no option for.
# Needs what install.sh installed.
set -eu
export CMAKE_PREFIX_PATH="$WORK/prefix"
dir="$WORK/rebuild"
mkdir -p "$dir/part"
cp tests/examples/external.onnx "$dir/model.onnx"
head -c 64 /dev/zero >"$dir/part/data.bin"
cat >"$dir/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(rebuild C)
find_package(lathe REQUIRED)
lathe_add_model(NAME m MODEL model.onnx ${MORE})
add_custom_target(everything ALL DEPENDS m_model)
END
cd "$dir"

# expect FOLDER N WHEN: a build compiles the model N times.
expect() {
    cmake --build "$1" >build.log
    n=$(grep -c 'Compiling model m' build.log || true)
    [ "$n" = "$2" ] && return
    echo "$1: compiled $n times after $3, expected $2"
    exit 1
}
for generator in Ninja "Unix Makefiles"; do
    b="build-${generator%% *}"
    cmake -B "$b" -G "$generator" >/dev/null
    expect "$b" 1 "configuring"
    expect "$b" 0 "nothing"
    sleep 1.1
    touch part/data.bin
    expect "$b" 1 "a change of the external data"
    expect "$b" 0 "nothing"
    touch model.onnx
    expect "$b" 1 "a change of the model"
    expect "$b" 0 "nothing"
done

refused() {
    if cmake -B build-refused "$@" >refused.log 2>&1; then
        echo "not refused: $*"
        exit 1
    fi
    tr -s ' \n' ' ' <refused.log >refused.line
}
"$WORK/prefix/bin/lathe" compile --help 2>&1 | grep -q -- --precision || {
    refused "-DMORE=PRECISION;bf16"
    grep -qF 'PRECISION is not supported by this lathe (no option --precision)' refused.line
}
rm -rf build-refused
refused -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=riscv64 -DCMAKE_C_COMPILER=cc
grep -qF "lathe does not compile for 'riscv64'" refused.line
