# For scripts of tests/cli, which read this file: expect CODE LINE ARGUMENT... runs the command, whose
# exit code and one whole line of whose output must be these. $dir is the script's folder.
expect() {
    code=$1 text=$2 got=0
    shift 2
    "$LATHE" "$@" >"$dir/out" 2>&1 || got=$?
    [ "$got" = "$code" ] && grep -qxF -- "$text" "$dir/out" && return
    echo "lathe $*: exit code $got, expected $code with '$text':"
    cat "$dir/out"
    exit 1
}
