#!/bin/sh
# Every attribute of every row is set by a test. LATHE is the command.
exec python3 tests/attributes "$LATHE"
