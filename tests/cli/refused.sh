#!/bin/sh
# Every model of tests/refused is refused with the text beside it. LATHE is the command.
set -u
cd "$(dirname "$0")/../refused"
failed=0
for model in *.onnx; do
    expected=$(cat "${model%.onnx}.txt")
    said=$("$LATHE" check "$model" 2>&1)
    status=$?
    case $said in
    *"$expected"*) [ $status -ne 0 ] && [ $status -lt 70 ] && continue ;;
    esac
    failed=1
    echo "$model: status $status, expected '$expected', found: $said"
done
exit $failed
