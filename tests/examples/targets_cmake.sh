#!/bin/sh
# lathe_add_model's TARGETS, with what install.sh installed: the library holds both.
set -eu
dir="$WORK/targets_cmake"
mkdir -p "$dir"
export CMAKE_PREFIX_PATH="$WORK/prefix"
case $(uname -m) in
aarch64) least=aarch64 both="aarch64+bf16 aarch64" ;;
*) least=x86-64 both="x86-64-v3 x86-64" ;;
esac
cat >"$dir/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.16)
project(targets C)
find_package(lathe REQUIRED)
lathe_add_model(NAME adder MODEL $PWD/examples/adder/model.onnx TARGETS $both)
add_executable(target $PWD/tests/tools/target.c $PWD/driver/library.c)
target_include_directories(target PRIVATE $PWD)
target_compile_definitions(target PRIVATE _GNU_SOURCE)
target_link_libraries(target PRIVATE adder \${CMAKE_DL_LIBS})
END
cmake -S "$dir" -B "$dir/build" >/dev/null
cmake --build "$dir/build" >/dev/null
"$dir/build/target" "$dir/build/libadder.so" 0xffffffff | grep -qx "$least"
for target in $both; do LC_ALL=C grep -qaF "$target" "$dir/build/libadder.so"; done
