#!/bin/sh
# Every message that docs/troubleshooting.md explains is still a text of the program's.
set -u
failed=0 count=0
while IFS= read -r message; do
    count=$((count + 1))
    grep -rqF -- "$message" frontend ir passes codegen runtime driver --include='*.c' && continue
    echo "docs/troubleshooting.md: no source file says '$message'"
    failed=1
done <<LIST
$(sed -n '/^## Messages for programs/q; s/^| `\([^`]*\)` |.*/\1/p' docs/troubleshooting.md)
LIST
echo "$count messages"
[ "$count" -ge 10 ] && [ "$failed" = 0 ]
