#!/bin/sh
# The man page and the completions: they are made from the tables of --help, so what is tested is that
# each program takes them and that they offer what the tables hold.
set -eu
mkdir -p "$WORK/generated"
cd "$WORK/generated"
for kind in man bash zsh fish; do "$LATHE" generate $kind >lathe.$kind; done

if command -v groff >/dev/null; then
    groff -ww -man -Tascii lathe.man >page 2>warnings
    [ ! -s warnings ] || { cat warnings; exit 1; }
    col -b <page >plain 2>/dev/null || sed "s/.$(printf '\b')//g" page >plain
    grep -q 'run every ONNX test case' plain || { echo "the man page lacks a command"; exit 1; }
else
    echo "skip: no groff to read the man page"
fi

# offers 'WORDS...' COMMAND-LINE...: what completion makes of the last word.
cat >offers.bash <<'EOF'
source ./lathe.bash
offers() {
    local want=$1
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _lathe
    [ "${COMPREPLY[*]}" = "$want" ] && return
    echo "completing '$*': '${COMPREPLY[*]}', expected '$want'"
    exit 1
}
offers 'compile compare' lathe comp
offers '' lathe generat
offers '--dim --disable-pass' lathe compile --di
offers '' lathe ops --di
offers 'so' lathe compile --emit s
offers 'file embed' lathe compile --weights ''
offers 'file' lathe compile --weights = f
offers 'file embed' lathe compile --weights =
offers 'x86-64-v3 x86-64-v3+avxvnni' lathe compile --target x86-64-v3
offers 'aarch64,x86-64-v3 aarch64,x86-64-v3+avxvnni' lathe compile -t aarch64,x86-64-v3
offers 'fuse_rows' lathe test --disable-pass fuse_r
offers 'cse,dce' lathe opt --passes cse,dc
offers 'lathe.man' lathe compile lathe.m
offers 'ids=lathe.man' lathe run --input ids=lathe.m
offers '' lathe bench --seconds 1
EOF
bash offers.bash
if command -v zsh >/dev/null; then zsh -n lathe.zsh; else echo "skip: no zsh to read its completion"; fi
if command -v fish >/dev/null; then fish -n lathe.fish; else echo "skip: no fish to read its completion"; fi
